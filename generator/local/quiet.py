"""What diffusers and transformers print while they load and draw: progress bars, and warnings that speak of their own insides.

Errors still appear, and whoever asked them to say more (TRANSFORMERS_VERBOSITY, DIFFUSERS_VERBOSITY) hears it.
"""
# pyright: reportMissingImports=false, reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false


def hush() -> None:
    """For the rest of the process."""
    import logging

    from diffusers.utils import logging as of_diffusers
    from transformers.utils import logging as of_transformers

    for library in (of_diffusers, of_transformers):
        if library.get_verbosity() == logging.WARNING:
            library.set_verbosity_error()
        library.disable_progress_bar()
