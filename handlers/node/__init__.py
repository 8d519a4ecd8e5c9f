"""The worker of the compute node: takes jobs from the queue, asks the model, stores the answers."""
