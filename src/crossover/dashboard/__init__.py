"""The pages on which people see what the gateway does: Starlette, Jinja2, htmx and ECharts, nothing from the internet.

Everything shown is handed in: a ``Source`` of figures, a ``Gate`` to a gateway that runs. Nothing here opens a
database, a configuration or a socket.
"""
