from google import genai
from google.genai import types
from ops import FUNCTIONS, SCHEMAS, SYSTEM, call

client = genai.Client()
DECL = [
    types.FunctionDeclaration(name=n, description=f.__doc__, parameters_json_schema=SCHEMAS[n])
    for n, f in FUNCTIONS.items()
]


def run(task: str) -> str:
    contents = [types.Content(role="user", parts=[types.Part(text=task)])]
    config = types.GenerateContentConfig(system_instruction=SYSTEM, tools=[types.Tool(function_declarations=DECL)])
    for _ in range(12):
        parts, reason = [], None
        for r in client.models.generate_content_stream(model="gemini-3-flash", contents=contents, config=config):
            parts += r.candidates[0].content.parts or []
            reason = r.candidates[0].finish_reason or reason
        calls = [p.function_call for p in parts if p.function_call]
        if not calls or reason == "MAX_TOKENS":
            return "".join(p.text or "" for p in parts)
        contents.append(types.Content(role="model", parts=parts))
        answers = [
            types.FunctionResponse(id=x.id, name=x.name, response={"result": call(x.name, x.args)}) for x in calls
        ]
        contents.append(types.Content(role="user", parts=[types.Part(function_response=a) for a in answers]))
    return "stopped after 12 steps"
