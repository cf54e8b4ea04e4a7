"""What goes over the wire to OpenAI-shaped endpoints, and what comes back.

``chat.py`` and ``responses.py`` are the two protocols, ``abilities.py`` is what an endpoint was found to take of them, ``errors.py`` reads
refusals and broken answers. Nothing here sends anything: that is reasoner/engines/openai.py.
"""
