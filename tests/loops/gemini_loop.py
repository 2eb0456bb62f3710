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
    for _ in range(12):
        r = client.models.generate_content(
            model="gemini-3-flash",
            contents=contents,
            config=types.GenerateContentConfig(
                system_instruction=SYSTEM, tools=[types.Tool(function_declarations=DECL)]
            ),
        )
        c = r.candidates[0].content
        contents.append(c)
        calls = [p.function_call for p in c.parts if p.function_call]
        if not calls or r.candidates[0].finish_reason == "MAX_TOKENS":
            return r.text or ""
        contents.append(
            types.Content(
                role="user",
                parts=[
                    types.Part(
                        function_response=types.FunctionResponse(
                            id=x.id, name=x.name, response={"result": call(x.name, x.args)}
                        )
                    )
                    for x in calls
                ],
            )
        )
    return "stopped after 12 steps"
