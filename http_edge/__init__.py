"""The HTTP edge: takes JSON over HTTP, and answers when Kafka has it.

The way of a request, from the outside in:

    server.py      the processes: sockets, reload (checking.py), end (suspects.py: what a worker died of; sockets.py)
    worker.py      one process; protocol.py is its wire, with limits on heads, times and connections
    gate.py        who may post (admission.py, keys.py, keys_file.py), and the body, read (bodies.py)
    resources.py   the addresses behind it, for Falcon; put together by application.py, and by asgi.py for other servers
    ingest.py      the path of a request, top to bottom: splitting.py, quota.py, streams.py, apart.py, answers.py
    edge.py        what all of a worker's requests share: producer, circuit.py, metrics.py
    problems.py    every error that is answered; openapi.py, openapi_schemas.py, moved_schema.py, page.py tell of it all
"""
