"""From the volumes of a collection to batches on the device that trains."""
