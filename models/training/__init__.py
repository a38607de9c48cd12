"""What the training loop is made of: rows and batches, losses, schedules, checkpoints, devices, workers."""
