"""Raw events in the place of the rollups that they are not part of yet."""
