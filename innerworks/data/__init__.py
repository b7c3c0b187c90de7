"""Tasks with an answer key: recipes made without a model, which a model's tokenizer turns into examples."""
