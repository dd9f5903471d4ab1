"""Turn frames of each clip into features of the teacher, once, so that training needs no teacher."""
