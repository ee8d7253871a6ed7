"""The store: SQL scripts and the engines that run them."""
