"""The domain: pure, frozen, without I/O. Nouns and rules of the open standard and of Tertulia."""
