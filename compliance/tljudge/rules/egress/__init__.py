"""Rules on egress: the destinations that security groups allow."""
