"""What a deployment costs: resources to charges, charges to a bill, a bill against ceilings."""
