"""`python -m server_service`: serve with what the environment says."""

from server_service.join import serve

serve()
