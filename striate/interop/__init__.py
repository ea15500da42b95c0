"""Other people's files: readers that execute nothing, and writers. Layouts are converted here and nowhere else."""
