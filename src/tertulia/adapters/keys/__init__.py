"""Where users' data keys are kept, apart from what they seal."""
