"""What recorded traffic holds: files, folders and pipes read as records, looked at, and counted.

``sources`` opens what the user names, ``formats`` tells what it is, ``jsonrecords``, ``tables`` and ``passages`` read
records of it, ``survey`` counts. Everything streams: memory does not grow with a file.
"""
