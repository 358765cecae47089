"""Computations that take long: a queue of jobs with processes of their own, on disk, so that a restart loses nothing.

From top to bottom, each module uses only those below it:

- `queue`: jobs in order, and what clients ask for
- `estimator`: costs, beside the jobs
- `process`: a process that can be killed; in it, `computation` does the work and `figures` makes the curves
- `store`: jobs on disk
- `result`, `curves`, `progress`, `tasks`, `limits`, `record`: what a job is and leaves behind
"""
