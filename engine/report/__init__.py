"""Pictures and pages that show a person what a run has done; torch-free."""
