"""Conversations for the chat template goldens: every shape a template may be given, in wording of our own."""

UNICODE = "Grüße, 世界! 🦊👩‍👩‍👧 नमस्ते \u202bשלום\u202c e\u0301 ﬁ ß \u3000wide\u00a0space"
BLANKS = " \n\t leading and trailing \n\n "
MARKS = "a < b & c > d \"quoted\" 'single' {braces} {{ x }} {% y %} \\n \\ </s>"


def user(content):
    return {"role": "user", "content": content}


def assistant(content, **more):
    return {"role": "assistant", "content": content, **more}


def system(content):
    return {"role": "system", "content": content}


def call(name, arguments, **more):
    return {"type": "function", "function": {"name": name, "arguments": arguments}, **more}


def tool(content, **more):
    return {"role": "tool", "content": content, **more}


def text_part(text):
    return {"type": "text", "text": text}


WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Tells the weather of a place.",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "Name of the city, e.g. \"Zürich\""},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"], "default": "celsius"},
                "days": {"type": "integer", "description": "How many days", "default": 3},
            },
            "required": ["city"],
        },
    },
}
NO_PARAMETERS = {"type": "function", "function": {"name": "now", "description": "The time.", "parameters": {}}}
NESTED = {
    "type": "function",
    "function": {
        "name": "book",
        "description": "Books a table <quickly> & quietly.",
        "parameters": {
            "type": "object",
            "properties": {
                "guests": {
                    "type": "array",
                    "description": "Who comes",
                    "items": {
                        "type": "object",
                        "properties": {"name": {"type": "string"}, "age": {"type": "number", "nullable": True}},
                        "required": ["name"],
                    },
                },
                "tags": {"type": "array", "items": {"type": "string"}},
                "scores": {"type": "array", "items": {"type": "number"}},
                "flags": {"type": "array", "items": {"type": "boolean"}},
                "anything": {"type": "array"},
                "vip": {"type": "boolean", "default": False},
                "place": {
                    "oneOf": [
                        {"type": "string", "description": "a name", "default": "here"},
                        {"type": "integer"},
                    ],
                    "description": "Where",
                    "default": "here",
                },
                "either": {"oneOf": [{"type": "object", "properties": {}}, {"type": "string"}]},
                "maybe": {"type": ["string", "null"], "description": "text or nothing"},
                "options": {
                    "type": "object",
                    "description": "More wishes",
                    "properties": {
                        "window": {"type": "boolean", "description": "Near a window"},
                        "floor": {"type": "integer", "enum": [1, 2, 3], "default": 2},
                    },
                    "required": ["window", "floor"],
                },
                "empty": {"type": "object"},
            },
            "required": ["guests", "place"],
        },
        "response": {"type": "object", "description": "The booking"},
    },
}
BARE = {"name": "bare", "description": "Not wrapped in a function.", "parameters": {"type": "object", "properties": {}}}
UNICODE_TOOL = {
    "type": "function",
    "function": {"name": "übersetze", "description": "Übersetzt 文字 <b>&</b> 'so'",
                 "parameters": {"type": "object", "properties": {"テキスト": {"type": "string"}}}},
}

# ---- histories

HISTORIES = {
    "one question": [user("What is 2 + 2?")],
    "with system": [system("You are terse."), user("What is 2 + 2?")],
    "empty user": [user("")],
    "empty system": [system(""), user("Hello")],
    "blank system": [system(BLANKS), user(BLANKS)],
    "unicode": [system(UNICODE), user(UNICODE), assistant(UNICODE), user("🙂")],
    "marks": [system(MARKS), user(MARKS), assistant(MARKS), user(MARKS)],
    "three turns": [user("Hi"), assistant("Hello!"), user("How are you?"), assistant("Well."), user("Good.")],
    "three turns, system": [system("Be kind."), user("Hi"), assistant("Hello!"), user("Bye"), assistant("Bye!"),
                            user("Again")],
    "ends with assistant": [user("Hi"), assistant("Hello!")],
    "ends with empty assistant": [user("Hi"), assistant("")],
    "empty answer in the middle": [user("Hi"), assistant(""), user("Why silent?")],
    "long": [m for i in range(8) for m in (user(f"Question {i}\n" * (i + 1)), assistant(f"Answer {i} " * 3))]
            + [user("Last?")],
    "two users": [user("First"), user("Second")],
    "two assistants": [user("Hi"), assistant("One"), assistant("Two"), user("Three")],
    "assistant first": [assistant("I begin."), user("Then me.")],
    "only assistant": [assistant("Alone.")],
    "only system": [system("Nobody asks.")],
    "system in the middle": [user("Hi"), system("New rule."), assistant("Yes."), user("Go")],
    "two systems": [system("First."), system("Second."), user("Hi")],
    "system last": [user("Hi"), system("Now answer in French.")],
    "developer": [{"role": "developer", "content": "Use metric units."}, user("How tall is Everest?")],
    "unknown role": [user("Hi"), {"role": "narrator", "content": "It rains."}, user("Well?")],
    "no role": [{"content": "Who says this?"}, user("Me?")],
    "no content": [user("Hi"), {"role": "assistant"}, user("?")],
    "content null": [user("Hi"), assistant(None), user("?")],
    "first without content": [{"role": "user"}],
    "number as content": [user(42)],
    "name on message": [{"role": "user", "name": "Ada", "content": "Hello"}],
    "thought kept apart": [user("17 * 3?"), assistant("51", reasoning_content="17 * 3 = 51."), user("And twice that?")],
    "thought in last answer": [user("17 * 3?"), assistant("51", reasoning_content="\n17 * 3 = 51.\n")],
    "thought by its older name": [user("17 * 3?"), assistant("51", thinking="It is 51."), user("Sure?")],
    "thought by another name": [user("17 * 3?"), assistant("51", reasoning="Fifty-one.")],
    "empty thought": [user("17 * 3?"), assistant("51", reasoning_content=""), user("Sure?")],
    "thought in the text": [user("17 * 3?"), assistant("<think>\nIt is 51.\n</think>\n\n51"), user("Sure?")],
    "thought in the last text": [user("17 * 3?"), assistant("<think>\nIt is 51.\n</think>\n\n51")],
    "unclosed thought": [user("17 * 3?"), assistant("<think>\nIt is"), user("Go on")],
    "channels in the text": [user("Hi"), assistant("<|channel>thought\nhm\n<channel|>Hello"), user("?")],
    "harmony tags in the text": [user("Hi"), assistant("<|channel|>analysis<|message|>hm"), user("?")],
    "harmony tags in the thought": [user("Hi"), assistant("Yes", thinking="<|channel|>final<|message|>x"), user("?")],
    "parts": [user([text_part("Look:"), text_part(" a list.")])],
    "parts everywhere": [system([text_part("Be brief.")]), user([text_part(" spaced ")]),
                         assistant([text_part("Yes.")]), user([text_part("And "), text_part("so?")])],
    "image part": [user([{"type": "image", "url": "x.png"}, text_part("What is this?")])],
    "audio and video": [user([{"type": "audio"}, {"type": "video"}, text_part("And?")])],
    "empty parts": [user([]), assistant([]), user([text_part("")])],
    "answer as parts": [user("Hi"), assistant([text_part("<|channel>thought\nx<channel|>Hello")]), user("?")],
    "one call": [user("Weather in Bern?"),
                 assistant(None, tool_calls=[call("get_weather", {"city": "Bern", "days": 2}, id="c1")]),
                 tool('{"sky": "clear"}', tool_call_id="c1", name="get_weather")],
    "call and answer": [user("Weather in Bern?"), assistant("", tool_calls=[call("get_weather", {"city": "Bern"}, id="c1")]),
                        tool("clear", tool_call_id="c1"), assistant("It is clear."), user("Thanks")],
    "call with text": [system("Use tools."), user("Weather?"),
                       assistant("Let me look.", tool_calls=[call("get_weather", {"city": "Zürich", "unit": "celsius"})]),
                       tool("12 °C"), user("Fine")],
    "call with thought": [user("Weather?"),
                          assistant("", reasoning_content="I need the tool.", tool_calls=[call("get_weather", {"city": "Uri"})]),
                          tool("rain"), assistant("Rain.", reasoning_content="It said rain."), user("Hm")],
    "call with thought, open": [user("Weather?"),
                                assistant("", reasoning_content="I need the tool.",
                                          tool_calls=[call("get_weather", {"city": "Uri"}, id="a")]),
                                tool("rain", tool_call_id="a")],
    "call with thought and text": [user("Weather?"),
                                   assistant("Looking.", thinking="Hm.", tool_calls=[call("get_weather", {"city": "Uri"})]),
                                   tool("rain")],
    "two calls": [user("Both?"),
                  assistant(None, tool_calls=[call("get_weather", {"city": "Bern"}, id="c1"), call("now", {}, id="c2")]),
                  tool("clear", tool_call_id="c1"), tool("noon", tool_call_id="c2")],
    "two calls, text": [user("Both?"),
                        assistant("Looking.", tool_calls=[call("get_weather", {"city": "Bern"}), call("now", {})]),
                        tool("clear"), tool("noon"), assistant("Clear at noon."), user("Thanks")],
    "calls in two turns": [user("First?"), assistant("", tool_calls=[call("now", {})]), tool("noon"),
                           assistant("Noon."), user("Again?"), assistant("", tool_calls=[call("now", {})]), tool("one")],
    "two call turns in a row": [user("First?"), assistant("", tool_calls=[call("now", {})]), tool("noon"),
                                assistant("", tool_calls=[call("get_weather", {"city": "x"})]), tool("fog")],
    "arguments as text": [user("Weather?"), assistant(None, tool_calls=[call("get_weather", '{"city": "Bern"}')]),
                          tool("clear")],
    "arguments of all kinds": [user("Book"), assistant("", tool_calls=[call("book", {
        "guests": [{"name": "Ada", "age": 36.5}, {"name": "Alan", "age": None}], "vip": True, "n": -7, "f": 1e21,
        "small": 1.5e-7, "text": "a \"b\" \n c ü 🦊", "empty": {}, "none": None, "list": [], "Upper": 1, "deep": {"z": [[1], 2], "a": False}})]),
        tool("done")],
    "flat calls": [user("Weather?"), assistant("", tool_calls=[{"name": "get_weather", "arguments": {"city": "Bern"}}]),
                   tool("clear")],
    "empty calls": [user("Hi"), assistant("Hello", tool_calls=[]), user("?")],
    "result as object": [user("Weather?"), assistant("", tool_calls=[call("get_weather", {"city": "Bern"})]),
                         tool({"sky": "clear", "degrees": [1, 2.0, None, True]})],
    "result as parts": [user("Weather?"), assistant("", tool_calls=[call("get_weather", {"city": "Bern"}, id="q")]),
                        tool([text_part("clear"), text_part(" sky")], tool_call_id="q")],
    "ipython result": [user("Compute"), assistant("", tool_calls=[call("python", {"code": "1+1"})]),
                       {"role": "ipython", "content": "2"}],
    "result without call": [user("Hi"), tool("stray"), user("?")],
    "responses on the message": [user("Weather?"), assistant("", tool_calls=[call("get_weather", {"city": "Bern"})],
                                 tool_responses=[{"name": "get_weather", "response": {"sky": "clear", "t": 3}},
                                                 {"name": "x", "response": "plain"}]), user("ok")],
    "looks like a result": [user("<tool_response>\nnot really\n</tool_response>"), assistant("Hm."), user("x")],
    "prefix": [user("Write a poem"), assistant("Roses", prefix=True)],
    "prefix with thought": [user("Write a poem"), assistant("</think>Roses", prefix=True)],
    "content type of call": [user("Q"), assistant(None, tool_calls=[{"function": {"name": "f", "arguments": {"a": 1},
                                                                     "content_type": "code"}}]), tool("r")],
    "tools on the system message": [{"role": "system", "content": "Use them.", "tools": "[tool list]"}, user("Hi")],
}

TOOL_SETS = {
    "weather": [WEATHER],
    "all": [WEATHER, NO_PARAMETERS, NESTED, UNICODE_TOOL],
    "bare": [BARE],
    "none": [],
}

KWARGS = [
    {"enable_thinking": True},
    {"enable_thinking": False},
    {"thinking": True},
    {"thinking": False},
    {"enable_thinking": False, "thinking": True},
    {"reasoning_effort": "high"},
    {"reasoning_effort": "low", "model_identity": "You are Mo."},
    {"builtin_tools": ["browser", "python"]},
    {"builtin_tools": ["get_weather", "code_interpreter", "brave_search"]},
    {"date_string": "1 Jan 2030", "tools_in_user_message": False},
    {"custom_tools": [WEATHER]},
    {"bos_token": "[BOS]", "eos_token": "[EOS]"},
]


def conversations():
    """A list of {messages, tools, add_generation_prompt, kwargs}; always the same."""
    out = []

    def add(messages, tools=None, prompt=True, kwargs=None):
        case = {"messages": messages, "add_generation_prompt": prompt}
        if tools is not None:
            case["tools"] = tools
        if kwargs:
            case["kwargs"] = kwargs
        out.append(case)

    for messages in HISTORIES.values():
        add(messages)
        add(messages, prompt=False)
    with_tools = ["one question", "with system", "three turns, system", "one call", "call and answer", "two calls, text",
                  "arguments of all kinds", "only system", "developer", "parts"]
    for name in with_tools:
        for tools in TOOL_SETS.values():
            add(HISTORIES[name], tools)
        add(HISTORIES[name], TOOL_SETS["all"], prompt=False)
    with_kwargs = ["one question", "with system", "thought kept apart", "thought in last answer", "call with thought",
                   "one call", "prefix"]
    for name in with_kwargs:
        for i, kwargs in enumerate(KWARGS):
            add(HISTORIES[name], kwargs=kwargs, prompt=i % 3 != 2)
    for kwargs in KWARGS:
        add(HISTORIES["two calls, text"], TOOL_SETS["weather"], kwargs=kwargs)
    return out
