"""Running a sweep: the session, Ray Tune, locks, progress, remaining time and the dry run."""
