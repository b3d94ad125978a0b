"""A Validator: asks Servers, scores their answers, sets weights, and sells access to the best."""
