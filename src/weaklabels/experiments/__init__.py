"""What the book does with the methods: settings by profile, runs, frames and figures.

One file per chapter, and the protocols that several chapters share.
"""
