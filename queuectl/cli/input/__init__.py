"""What people type, made into values: options, files of jobs, names of jobs."""
