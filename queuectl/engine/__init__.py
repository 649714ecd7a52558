"""The only place where a decision is made, appended to the log and applied to the views."""
