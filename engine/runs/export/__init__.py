"""What is taken from a run: zips of its adapter or merged model, and Python that loads them."""
