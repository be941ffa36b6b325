"""Numbers we promise: the paper simulator and the benches that measure the product."""
