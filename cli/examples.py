"""Examples of every command, for help pages and the reference; the tests run them in this order, in one folder."""

from __future__ import annotations

SECTIONS: dict[str, tuple[str, ...]] = {
    "Make and ask": (
        "look",
        "build",
        "query",
        "map",
        "diversity",
        "serve",
        "report",
        "info",
        "export",
        "push",
    ),
    "Change": (
        "add",
        "update",
        "remove",
        "restore",
        "compact",
        "rebuild",
        "relocate",
        "history",
        "policy",
    ),
    "Measure and check": ("evaluate", "certify", "verify", "doctor"),
    "Models": ("models", "train", "encode", "infer"),
    "Try without data": ("world", "demo"),
}
"""Parts of the list of commands: title, and the commands in it."""

EXAMPLES: dict[str, tuple[tuple[str, str], ...]] = {
    "world": (
        ("a hundred invented observations with photos, songs and tiles", "prom3e-index world planet --observations 100"),
        ("other observations of the same planet", "prom3e-index world later --observations 20 --seed 1"),
    ),
    "look": (
        ("what is understood of a table, and what is not", "prom3e-index look birds.csv"),
        ("the addresses of photos that are still to be fetched", "prom3e-index look birds.csv --urls addresses.txt"),
    ),
    "build": (
        ("an index of a table, in index.p3i", "prom3e-index build birds.csv"),
        ("what a column of your own means, and another index", "prom3e-index build birds.csv --map project=source -i birds.p3i"),
    ),
    "query": (
        ("photos like this one", "prom3e-index query --photo photo.jpg -k 5"),
        ("photos for a sound, within 50 km of a place", "prom3e-index query --sound song.mp3 -t image --near 48.2,16.3,50km"),
        ("places for a name, as a map layer", 'prom3e-index query --name "Ardea cinerea" -t loc --format geojson -o places.geojson'),
    ),
    "map": (
        ("where what a photo shows may live, in cells of 100 km", "prom3e-index map --photo photo.jpg --grid 100km -o where"),
        ("a taxon of the index, on a lattice of degrees", 'prom3e-index map --taxon Fictanimalia --region -15,30,45,72 --grid 1deg -o animals'),
        ("what a model tells places apart by, as red, green and blue", "prom3e-index map --components encoder --model geoclip --grid 5deg -o components"),
        ("from records alone, judged beside distance alone", "prom3e-index map --records birds.csv --taxon Fictanimalia --region world --grid 10deg -o from-records"),
    ),
    "report": (
        ("a page that shows what the index holds, and a few answers", "prom3e-index report"),
        ("answers to a photo and a sound of your own", "prom3e-index report --photo photo.jpg --sound song.mp3 -o mine.html"),
    ),
    "info": (
        ("what an index holds", "prom3e-index info"),
        ("what was lost of which rows, and why", "prom3e-index info --lost"),
    ),
    "export": (
        ("all observations, for a spreadsheet", "prom3e-index export birds-again.csv"),
        ("those with a date, as a layer for QGIS", "prom3e-index export birds.gpkg --from 1900"),
        ("what the encoders made of them, for other software", "prom3e-index export vectors.parquet --what embeddings"),
    ),
    "policy init": (
        ("a policy to fill in, with every key explained", "prom3e-index policy init policy.toml"),
        ("the same on the screen", "prom3e-index policy init"),
    ),
    "policy explain": (
        ("what a policy would do to a table, rule by rule", "prom3e-index policy explain policy.toml birds.csv"),
        ("the same of a table whose photos lie elsewhere", "prom3e-index policy explain policy.toml june.csv --media june-files"),
    ),
    "policy check": (
        ("whether a finished index tells a place that it should hide", "prom3e-index policy check"),
        ("the same of another index, whose photos lie elsewhere", "prom3e-index policy check -i birds.p3i --media june-files"),
    ),
    "add": (
        ("new observations; those the index has are left alone", "prom3e-index add june.csv"),
        ("their photos lie elsewhere", "prom3e-index add june.csv --media june-files -i birds.p3i"),
    ),
    "update": (
        ("corrected rows in place of those with the same ids", "prom3e-index update june.csv"),
        ("the same with sounds that lie elsewhere", "prom3e-index update june.csv --media june-files -i birds.p3i"),
    ),
    "remove": (
        ("look first what a condition on columns means", 'prom3e-index remove --where "event_start < DATE \'2000-01-01\'" --dry-run'),
        ("by a list of ids, one a line, however many they are", "prom3e-index remove --ids gone.txt --yes"),
    ),
    "restore": (
        ("make the index what it was in generation 1", "prom3e-index restore --at 1"),
        ("undo that again: generation 2 had come after it", "prom3e-index restore --at 2"),
    ),
    "compact": (
        ("take what was removed out of the files", "prom3e-index compact"),
        ("of another index", "prom3e-index compact -i birds.p3i"),
    ),
    "rebuild": (
        ("restore damaged search files from what is stored", "prom3e-index rebuild"),
        ("a smaller index that finds a little less", "prom3e-index rebuild --kind ivf-sq8 -i birds.p3i"),
    ),
    "relocate": (
        ("the photos and sounds have moved", "prom3e-index relocate --media june-files"),
        ("the same for another index", "prom3e-index relocate --media june-files -i birds.p3i"),
    ),
    "history": (
        ("what changed, and when", "prom3e-index history"),
        ("of another index", "prom3e-index history -i birds.p3i"),
    ),
    "diversity": (
        ("species rarefied to 3 records, in cells of 60 degrees", "prom3e-index diversity birds.csv --region world --grid 60deg --rarefy 3 --mask none"),
        ("of an index, with the model's uncertainty", "prom3e-index diversity index.p3i --region world --grid 60deg --rarefy 3 --mask none -o of-index"),
        ("places drawn within their uncertainty, as GBIF's cubes have it", "prom3e-index diversity birds.csv --region world --grid 60deg --rarefy 3 --mask none --assign random --seed 4 -o drawn"),
    ),
    "push": (
        ("into a Milvus server, to be asked from any machine", "prom3e-index push index.p3i --store milvus://127.0.0.1:19530/birds"),
        ("photos and sounds alone, found by lists", "prom3e-index push index.p3i -t image -t audio --kind ivf --store milvus://127.0.0.1:19530/birds"),
        ("shards of a cluster, without an index", "prom3e-index push s3://institute/birds --store milvus://127.0.0.1:19530/birds"),
        ("by files in a folder that the server sees too", "prom3e-index push index.p3i --bulk /srv/milvus/given --store milvus://127.0.0.1:19530/birds"),
    ),
    "certify": (
        ("does the search find here what it should, and how fast", "prom3e-index certify --sample 20"),
        ("measure, and keep the result in the index", "prom3e-index certify --sample 20 --keep"),
        ("of a store, kept there", "prom3e-index certify --store milvus://127.0.0.1:19530/birds"),
    ),
    "verify": (
        ("are all files whole, is a sample encoded alike", "prom3e-index verify --sample 3"),
        ("the photos and sounds lie elsewhere now", "prom3e-index verify --sample 3 --media june-files"),
    ),
    "doctor": (
        ("what is installed, and is there a GPU", "prom3e-index doctor"),
        ("does every kind of search agree on this machine", "prom3e-index doctor --conformance"),
    ),
    "encode": (
        ("embeddings of a table, to train or to measure with", "prom3e-index encode birds.csv -o birds.npz"),
        ("with the table's own split, and a column for the species", "prom3e-index encode birds.csv --species true_species --column split -o parted.npz"),
    ),
    "infer": (
        ("what the model makes of embeddings", "prom3e-index infer birds.npz --model mini -o latent.npz"),
        ("from photo and place alone", "prom3e-index infer birds.npz --model mini --given image,loc -o from-two.npz"),
    ),
    "train mvae": (
        ("fit a small model", "prom3e-index train mvae birds.npz --model mini -o own --steps 20 --embed-dim 32 --mlp-dim 32"),
        ("the published recipe, validated on other rows", "prom3e-index train mvae train.npz --validation val.npz --recipe published -o published"),
    ),
    "train align": (
        ("an encoder of tiles, from random weights", "prom3e-index train align sat birds.csv --init tiles/ --anchor taxabind -o own-tiles"),
        ("GeoCLIP's places fitted to your photos", "prom3e-index train align loc birds.csv --init package:geoclip --anchor mini --epochs 1 -o own-places"),
    ),
    "train patch": (
        ("the best mix of weights before and after fine-tuning", "prom3e-index train patch before/ after/ birds.csv -o mixed"),
        ("fewer mixes", "prom3e-index train patch before/ after/ birds.csv --points 4 -o mixed"),
    ),
    "evaluate retrieval": (
        ("how often the right row or species comes first", "prom3e-index evaluate retrieval birds.npz --model mini -o measured"),
        ("one direction, as the paper scores it", "prom3e-index evaluate retrieval birds.npz --model mini --direction 'image->text' --paper -o paper"),
    ),
    "evaluate probe": (
        ("can a climate column be read from places", "prom3e-index evaluate probe climate.csv --labels bio1 --task regression --model geoclip"),
        ("a class, with whole sites held out", "prom3e-index evaluate probe climate.csv --labels koppen --task classification --split site --model geoclip -o koppen"),
    ),
    "evaluate uncertainty": (
        ("which answers to believe, and what the model's own uncertainty is worth", "prom3e-index evaluate uncertainty birds.npz --model mini --pictures none"),
        ("with pictures, of fewer rows", "prom3e-index evaluate uncertainty birds.npz --model mini --rows 500"),
    ),
    "evaluate redraw": (
        ("the tables again, without measuring again", "prom3e-index evaluate redraw measured"),
        ("of another folder of results", "prom3e-index evaluate redraw paper"),
    ),
    "models list": (
        ("the models that come with the program", "prom3e-index models list"),
        ("the same on a machine without a network", "HF_HUB_OFFLINE=1 prom3e-index models list"),
    ),
    "models show": (
        ("where the parts of a model come from, and which are here", "prom3e-index models show taxabind"),
        ("of the model for places alone", "prom3e-index models show geoclip"),
    ),
    "models pull": (
        ("download the published weights once", "prom3e-index models pull taxabind"),
        ("a certain version of them", "prom3e-index models pull taxabind --revision main"),
    ),
    "serve": (
        ("a page for browsers on this machine", "prom3e-index serve birds.p3i --open"),
        ("for a lab, behind a token of its own", "prom3e-index serve birds.p3i --host 0.0.0.0 --allow-host lab.example --token-file token"),
    ),
    "demo": (
        ("a world, an index of it, questions and a report, in demo/", "prom3e-index demo"),
        ("smaller, elsewhere", "prom3e-index demo small --observations 200"),
    ),
}  # fmt: skip
"""Command → what each example is for, and its line."""
