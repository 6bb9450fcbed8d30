"""What page and command line may ask for: plan, queue, stop, resume, report, export a run."""
