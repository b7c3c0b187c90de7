"""The backward pass in words: what a step of gradient descent would write into the weights."""
