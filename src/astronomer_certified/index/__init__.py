"""Wheels and sdists -> published files, served.

store   the published files, and what is known of them     auth     who may upload
api     a request -> an answer, knows no socket            http     that on a port
copies  the index as static files, and from elsewhere      publish  wheels -> an index, looked at afterwards
"""
