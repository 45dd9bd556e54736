"""What an array is: axes, masks, regions, intensity, tiles, labels, instances."""
