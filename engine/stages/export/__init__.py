"""Write the adapter in the form that other programs load."""
