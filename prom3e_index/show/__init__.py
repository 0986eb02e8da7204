"""What leaves for people and other software: exports, pictures, the report page."""
