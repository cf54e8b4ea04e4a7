"""A connector for vLLM that hands a prompt's hidden states out as a file, to those who ask for them.

vLLM's own one writes a file for every request, rewrites included, names it by an id that clients may choose, and needs CUDA. This one
writes only where a request says so with ``kv_transfer_params: {"hidden_states": true}``, chooses the names itself, and runs on a
processor, too. The answer names the file as ``kv_transfer_params.hidden_states_path``, and the layers, counted from 0, as ``layers``. Until
the file is complete, its companion, of that name with ``.lock`` behind, is locked (flock). Who reads it deletes both; what nobody deletes
goes after ten minutes, with the next request. It holds ``hidden_states``, [tokens, layers, hidden], and ``token_ids``.

Needs torch, safetensors and vLLM 0.32 or later, and nothing of ours.
"""

# pyright: reportMissingImports=false, reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false, reportUntypedBaseClass=false

import time
import uuid
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from vllm.distributed.kv_transfer.kv_connector.v1.example_hidden_states_connector import ExampleHiddenStatesConnector
from vllm.v1.core.sched.scheduler import Scheduler

ASKED = "hidden_states"
KEPT_SECONDS = 600.0


class FeaturesConnector(ExampleHiddenStatesConnector):
    """vLLM's own connector with these three differences. On CUDA, copying is all its own."""

    def request_finished(self, request: Any, block_ids: list[int]) -> tuple[bool, dict[str, Any] | None]:
        has_to_wait, told = super().request_finished(request, block_ids)
        if told is None:
            return has_to_wait, None
        config = self._vllm_config.speculative_config.draft_model_config.hf_config
        # vLLM counts the embeddings as the first.
        return has_to_wait, {**told, "layers": [number - 1 for number in config.eagle_aux_hidden_state_layer_ids]}

    def build_connector_meta(self, scheduler_output: Any) -> Any:
        meta = super().build_connector_meta(scheduler_output)
        for request in scheduler_output.scheduled_new_reqs:
            # A request without a file name has nothing to save: the base class knows such from those that were aborted early.
            self._request_filenames.pop(request.req_id, None)
            meta.new_req_filenames.pop(request.req_id, None)
            if _asks(request.sampling_params):
                name = str(Path(self._storage_path, f"{uuid.uuid4().hex}.safetensors"))
                self._request_filenames[request.req_id] = meta.new_req_filenames[request.req_id] = name
        return meta

    def _submit_async_write(self, pending: Any) -> None:
        if not self._is_tp_rank_zero:
            return
        _remove_forgotten(Path(self._storage_path))
        if self._kv_cache.device.type == "cpu":
            self._submit_from_cpu(pending)
        else:
            super()._submit_async_write(pending)

    def _submit_from_cpu(self, pending: Any) -> None:
        """What the base class does, without streams and pinned memory."""
        # Indexing copies, so that vLLM may use the blocks again at once. [blocks, layers, tokens of a block, hidden]
        states = self._kv_cache[pending.block_ids].transpose(1, 2).flatten(0, 1)[: len(pending.token_ids)]
        tensors = {"hidden_states": states.contiguous(), "token_ids": pending.token_ids}
        copied = _Copied()
        writing = self._executor.submit(self._write_tensors, tensors, copied, pending.filename, self._lock_fds.pop(pending.req_id, None))
        self._req_copy_events[pending.req_id] = copied
        self._req_futures[pending.req_id] = writing
        writing.add_done_callback(partial(self._on_write_done, pending.req_id))


class _Copied:
    """Stands where a CUDA event would: for a copy that is complete."""

    def query(self) -> bool:
        return True

    def synchronize(self) -> None:
        pass


def _asks(sampling: Any) -> bool:
    """Whether a request wants its hidden states."""
    more = getattr(sampling, "extra_args", None) or {}
    return bool((more.get("kv_transfer_params") or {}).get(ASKED))


def _remove_forgotten(folder: Path) -> None:
    oldest = time.time() - KEPT_SECONDS
    for path in folder.glob("*.safetensors*"):
        with suppress(OSError):
            if path.stat().st_mtime < oldest:
                path.unlink()


class FeaturesScheduler(Scheduler):
    """Lets no token be guessed.

    vLLM takes hidden states by way of speculative decoding, with the last token as the guess for the next one. Guesses are never of use
    here: they double the work of each step, and what is drawn after a guess is drawn otherwise, so that seeds would lose their answers.
    """

    def update_draft_token_ids(self, draft_token_ids: Any) -> None:
        pass
