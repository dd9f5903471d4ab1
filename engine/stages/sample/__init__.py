"""Make the same videos with and without the adapter, and put them side by side."""
