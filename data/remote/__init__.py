"""Speaking with servers over HTTP, for every stage that does: what their refusals mean, how many calls they take, which one is dead.

``client.py`` asks one OpenAI-shaped endpoint, ``providers.py`` knows litellm's providers. ``errors.py`` reads refusals and broken answers,
``bounded.py`` cuts off endless ones, ``throttle.py`` finds out how many calls at once serve best, ``balance.py`` spreads calls over
endpoints, ``prices.py`` says what they cost. It stands here since stages never import each other. Nothing in it knows of prompts or images.
"""
