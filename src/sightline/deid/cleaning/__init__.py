"""Finding identifiers in free text: dates, names, numbers and places, one file each."""
