"""Makes the figures of the documentation: small trained models, and pictures of their reports."""
