"""The masked variational autoencoder: network, class tokens, completion."""
