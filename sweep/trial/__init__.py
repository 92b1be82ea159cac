"""Running cells in a worker: computing, checkpoints, the spool, and upload to the tracker."""
