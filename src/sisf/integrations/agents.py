"""OpenAI Agents SDK: an input and an output guardrail. Needs the extra `agents`."""

import json
from typing import Any
from weakref import WeakKeyDictionary

from agents import Agent, GuardrailFunctionOutput, InputGuardrail, OutputGuardrail, RunContextWrapper

from sisf.errors import Blocked
from sisf.guard import Admitted, Guard
from sisf.pipeline.caller import ANONYMOUS


def guardrails(
    guard: Guard, *, principal: str = ANONYMOUS, tenant: str = "default"
) -> tuple[InputGuardrail[Any], OutputGuardrail[Any]]:
    """A pair for `Agent(input_guardrails=[...], output_guardrails=[...])` that belongs together: the output guardrail
    judges and records the answer with the input that it answers.

    A tripped guardrail's `output_info` says outcome, policy and revision. The input is checked before the model is
    called, not beside it. The SDK runs these guardrails on a run's first input and its final output: to have every
    model call inspected (tool calls, tool results, streamed tokens), give the agent's model a client of `Guard.wrap`.
    Where the text cannot be inspected the run fails with that error.
    """
    admitted: WeakKeyDictionary[Any, Admitted] = WeakKeyDictionary()
    caller: dict[str, Any] = {"principal": principal, "tenant": tenant}

    async def sisf_input(context: RunContextWrapper[Any], agent: Agent[Any], given: Any) -> GuardrailFunctionOutput:
        try:
            passed = await guard.aadmit(given, api="responses", model=_model(agent), **caller)
        except Blocked as error:
            return _tripped(error)
        admitted[context] = passed
        return GuardrailFunctionOutput(None, tripwire_triggered=passed.decision.rewritten is not None)

    async def sisf_output(context: RunContextWrapper[Any], agent: Agent[Any], output: Any) -> GuardrailFunctionOutput:
        text = _text(output)
        prompt = admitted.pop(context, None) or await guard.aadmit("", model=_model(agent), **caller)
        try:
            released = await guard.arelease(prompt, text)
        except Blocked as error:
            return _tripped(error)
        # A guardrail cannot change a text, so what a policy would rewrite is stopped.
        return GuardrailFunctionOutput(None, tripwire_triggered=released != text)

    return InputGuardrail(sisf_input, name="sisf", run_in_parallel=False), OutputGuardrail(sisf_output, name="sisf")


def _tripped(error: Blocked) -> GuardrailFunctionOutput:
    decision = error.decision
    info = {
        "outcome": error.fate.value,
        "exchange": error.exchange_id,
        "policy": decision.policy_id if decision else None,
        "revision": decision.revision if decision else None,
    }
    return GuardrailFunctionOutput(info, tripwire_triggered=True)


def _model(agent: Agent[Any]) -> str:
    model = agent.model
    return model if isinstance(model, str) else str(getattr(model, "model", "") or "")


def _text(output: Any) -> str:
    if isinstance(output, str):
        return output
    dump = getattr(output, "model_dump", None)
    return json.dumps(dump() if dump else output, ensure_ascii=False, default=str)
