"""The words that cross a process boundary; msgspec only."""
