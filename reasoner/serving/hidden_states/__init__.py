"""What is loaded into vLLM's own environment, where nothing of ours is installed: vLLM is told this folder's path, and imports the file in
it by name. Nothing of ours imports it.
"""
