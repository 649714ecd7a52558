"""Projections: views rebuilt from the log at will, one file per table, each for one question.

`jobs` folds each job's events. Where a job waits, runs or lies dead is a function of its row alone
(`views.place`), so that it is in one such table at the most. `views` applies events, `rebuild`
makes all of it anew and compares.
"""
