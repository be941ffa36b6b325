"""A whole house at work on made-up paper, to be killed, unplugged and filled up by the proofs."""
