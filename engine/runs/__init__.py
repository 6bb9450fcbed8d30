"""What the page and the command line may ask for: plan, queue, stop, resume, report, export a run."""
