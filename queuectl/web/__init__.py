"""The dashboard: a page and a small JSON interface over class Queue; `server` runs it, `app` says what is where.

No business logic: each answer is a call or two on Queue. starlette and uvicorn are known here only.
"""
