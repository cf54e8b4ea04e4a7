"""What models say around a prompt, in the languages that they say it in: greetings, labels, offers, refusals, questions.

Patterns only, each meant for ``match`` at the start of an answer, a line or a sentence. What is done with a match is the callers' business.
"""

import re


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("(?:" + "|".join(patterns) + ")", re.IGNORECASE)


MARKS = r"[^\w\n\"“”'‘’«»「」『』¿¡({\[<@$]{0,12}"
"""What may stand before a label: emphasis, heading marks, bullets, emoji."""

GREETING = _any(
    r"(?:sure(?: thing)?|certainly|of course|okay|ok|absolutely|understood|got it|all ?right|definitely|"
    r"with pleasure)(?=[\s,.!:—–])[,.!:—–\s]*(?<=[,.!:—–\n])\s*",
    r"(?:great|perfect|awesome|no problem|sounds good|happy to help|great (?:question|idea|choice|prompt))(?:!|\n)\s*",
    r"(?:i['’]?d|i would|i['’]?m|i am) (?:be )?(?:happy|glad|delighted) to (?:help|assist|rewrite|do)[^.!\n:]{0,60}(?:[.!:]|\n)\s*",
    r"(?:thanks|thank you)[^.!\n:]{0,60}(?:[.!]|\n)\s*",
    r"(?:好的?|当然(?:可以)?|没问题|可以的?|明白了?|收到)[，,。.!！：:\n]\s*",
    r"(?:はい|承知(?:いたし|し)ました|もちろん(?:です)?|かしこまりました|了解(?:です|しました)?)[、。！!,\n]\s*",
    r"(?:물론(?:입니다|이죠|이에요)?|네|알겠습니다)[,.!\n]\s*",
    r"(?:na klar|klar|natürlich|gerne?|sicher(?:lich)?|selbstverständlich|alles klar)[,.!\n]\s*",
    r"(?:bien sûr|certainement|d['’]accord|avec plaisir|absolument|très bien)\s?[,.!\n]\s*",
    r"¡?(?:claro(?: que sí)?|por supuesto|desde luego|con gusto|de acuerdo)[,.!\n]\s*",
    r"(?:com certeza|claro que sim|certamente|certo|va bene|конечно|хорошо|разумеется)[,.!\n]\s*",
)
"""A word of assent, with the punctuation after it: a scene does not begin with one."""

_TOPIC = (
    r"(?:prompt|rewrit|rewrote|rephras|version|descri|caption|option|variation|alternative|image|scene|idea|beschreib|fassung|vorschlag|"
    r"bild|invite|texto|imagen|versi|提示|描述|版本|改写|内容|プロンプト|文|説明|リライト|промпт|описани|вариант|프롬프트|설명)"
)
PROMPT_WORD = re.compile(_TOPIC, re.IGNORECASE)
"""What a line that announces the prompt names."""
LEAD = re.compile(
    r"(?:here(?:['’]s| is| are)|below is|the following is|i(?:['’]ve| have)|i (?:re)?wrote|(?:my|your|"
    r"the) (?:[\w-]+ ){0,3}prompt|(?:以下|下面|这里|这)(?:是|为)|(?:以下|こちら|下記)(?:は|が|に)|hier (?:ist|sind|kommt|folgt)|voici|"
    r"voilà|aquí (?:tienes|está|tiene|va)|aqui está|segue|ecco|вот|다음은|아래는|여기)"
    rf"(?=[^\n:：]{{0,160}}{_TOPIC})[^\n:：]{{0,160}}(?P<end>[:：]|\n)\s*",
    re.IGNORECASE,
)
"""A line or half a line that announces the prompt."""
PLURAL = _any(
    r"(?:here are|below are|i(?:['’]ve| have) (?:written|created)|the following)\b[^\n]{0,100}\b(?:prompts|versions|options|variations|"
    r"alternatives|variants|rewrites|ideas)\b",
    r"(?:hier sind|aquí tienes|voici|ecco|aqui estão)\b[^\n]{0,100}\b(?:prompts|varianten|versionen|vorschläge|opciones|versiones|"
    r"variantes|versions|propositions|opções|versioni)\b",
    r"[^\n]{0,60}(?:[几两三四五多]个|いくつか|つの)[^\n]{0,20}(?:提示词|提示|选项|版本|方案|案|プロンプト|バージョン)",
)
"""A line that announces several prompts."""

_ADJECTIVE = (
    r"(?:(?:(?:re-?)?written|improved|enhanced|detailed|final|new|expanded|refined|revised|updated|optimi[sz]ed|upgraded|polished|better|"
    r"complete|full|generated|positive|suggested|vivid)[ \t]+)"
)
_MEDIUM = r"(?:(?:image|text-to-image|image[- ]generation|visual|english|ai|stable diffusion|midjourney)[ \t]+)"
_COLON = r"[*_`]{0,3}\s*[:：][*_`]{0,3}\s*"
_STRONG = (
    rf"(?:(?:the|your|my)\s+)?(?:{_ADJECTIVE}|{_MEDIUM})*prompt(?:\s+for [^\n:]{{1,60}}|\s*\([^)\n]{{1,60}}\))?",
    rf"(?:(?:the|your|my)\s+)?{_ADJECTIVE}+{_MEDIUM}*(?:version|description|rewrite|caption|text|output|answer)",
    r"(?:改写|重写|优化|改进|最终|详细|增强|完整|新|英文|中文|图像|绘画|生成|修改|润色|扩写|后|的|版){0,8}(?:提示词|提示语)(?:如下)?",
    r"(?:書き換え|リライト|改善|改良|最終|詳細|新しい|完成|画像生成用?|英語|後|した|の|な|版){0,8}プロンプト",
    r"(?:(?:überarbeitet|verbessert|neu|detailliert|final|umgeschrieben|erweitert|optimiert)e[rs]?[ \t]+)+(?:prompt|bildprompt|"
    r"beschreibung)",
    r"(?:prompt|invite|description)\s+(?:réécrit|amélioré|détaillé|final|révisé|enrichi|optimisé)e?",
    r"(?:prompt|descripción|indicación|descrição|descrizione)\s+(?:final|(?:reescrit|mejorad|detallad|revisad|optimizad|melhorad|"
    r"detalhad|riscritt|migliorat|dettagliat)[oa])",
    r"(?:(?:улучшенный|переписанный|новый|итоговый|финальный|подробный)[ \t]+)*промпт",
    r"(?:(?:재작성된|개선된|최종|수정된|향상된)[ \t]*){0,4}프롬프트",
)
STRONG_LABEL = re.compile(rf"^{MARKS}(?:{'|'.join(_STRONG)}){_COLON}", re.IGNORECASE | re.MULTILINE)
"""A label of the prompt itself, wherever a line begins with it: what stands before is about something else."""
WEAK_LABEL = re.compile(
    rf"{MARKS}(?:(?:the )?rewrite|rewriting|description|caption|(?:final )?answer|output|result|response|assistant|image description|"
    rf"描述|改写(?:结果)?|结果|输出|(?:bild)?beschreibung|descripción|説明文|описание|설명){_COLON}",
    re.IGNORECASE,
)
"""A label of the prompt only where the answer begins with it."""
TITLE_LABEL = re.compile(
    rf"{MARKS}(?:(?:the|your|my)\s+)?(?:(?:{_ADJECTIVE}|{_MEDIUM})*(?:prompt|rewrite|output|answer)|{_ADJECTIVE}+(?:version|description))"
    r"[^\w\n]{0,12}\n\s*",
    re.IGNORECASE,
)
"""The same as a line of its own."""
ORIGINAL = re.compile(
    rf"{MARKS}(?:original|user|input|your original|user['’]s)(?:\s+(?:prompt|request|input|text))?[*_]{{0,3}}\s*[:：][^\n]*\n\s*",
    re.IGNORECASE,
)
"""The user's own text, repeated on a line of its own."""

OPTION = re.compile(
    rf"{MARKS}(?:option|version|prompt|variation|variant|alternative|rewrite|idea|concept|variante|versión|opción|選択肢|オプション|"
    rf"バージョン|プロンプト|案|"
    r"选项|方案|版本|提示词|вариант|옵션|버전)\s*#?\s*(?P<number>\d{1,2}|[A-Da-d]|one|two|three|"
    r"[一二三四])\b\s*(?:\([^)\n]{0,60}\))?[*_]{0,3}\s*(?:[:：.)、—–-]|\n)[*_]{0,3}\s*",
    re.IGNORECASE,
)
"""The label of one of several prompts."""
OTHERWISE = re.compile(
    rf"{MARKS}(?:alternatively|alternatives?(?: prompts?| versions?)?|another (?:option|version)|or)[*_]{{0,3}}\s*[:,：]", re.IGNORECASE
)
"""What a line begins with that offers another prompt."""

_SECTIONS = (
    r"(?:a )?(?:quick )?notes?|explanations?|reasoning|rationale|why (?:this|it) works|why this prompt[^:\n]{0,40}|(?:key |main |"
    r"notable )?(?:changes|improvements|enhancements|adjustments|modifications)(?: i)?(?: made)?|what (?:i|was|i['’]ve) (?:changed|added|"
    r"improved)[^:\n]{0,40}|key (?:elements|features|details|points|aspects)|breakdown|tips?|word ?count|character count|token count|"
    r"(?:suggested )?negative prompt|disclaimer|summary of changes|explanation of changes|(?:design|prompt) notes|parameters|"
    r"(?:suggested|recommended) (?:parameters|settings)|original prompt|user prompt|about this prompt|how to use",
    r"注|注意|说明|备注|解释|改动(?:说明)?|修改说明|字数|负面提示词|反向提示词|负向提示词|原始提示词",
    r"hinweise?|anmerkung(?:en)?|erklärung|begründung|änderungen|wort(?:an)?zahl|negativ(?:er)? prompt",
    r"remarques?|explications?|modifications|nombre de mots|prompt négatif|notas?|explicación|explicação|observação|cambios|"
    r"número de palabras|prompt negativo|spiegazione|conteggio parole",
    r"補足|解説|備考|文字数|ネガティブプロンプト|ポイント|примечание|пояснение|объяснение|негативный промпт|참고|부정 프롬프트",
)
SECTION = re.compile(rf"{MARKS}[(\[]?[*_]{{0,3}}(?:{'|'.join(_SECTIONS)})[*_]{{0,3}}\s*(?:[:：]|\n|$)", re.IGNORECASE)
"""What a line begins with from which on an answer is about the prompt."""

_ABOUT = (
    r"[^.!?\n]{0,120}\b(?:prompt|details?|descri\w+|elements?|original|request|user|context|negat\w+|mention\w*|specific\w*|intent|meaning|"
    r"rewrit\w+)\b"
)
CHATTER = _any(
    r"(?:please )?(?:just )?let me know\b|feel free to\b|i ?['’]?m here to help|is there anything else|enjoy!\s*$|happy (?:creating|"
    r"prompting|generating)",
    r"would you like (?:me to|another|(?:an?|any|more|some|to) (?:[\w-]+ ){0,2}(?:versions?|variations?|alternatives?|options?|prompts?|"
    r"details?|changes|adjust\w*|tweaks?|edits?))\b|do you (?:want|need) me to|(?:shall i|want me to) (?:adjust|change|"
    r"create|make|add|provide|refine|tweak)",
    r"(?:i )?hope (?:this|that|it|you) (?:helps?|works|meets|captures|is|fits|like|enjoy|prompt|gives|suits)",
    r"if you(?:['’]d| would)? (?:like|want|need|prefer|have)\b[^.!?\n]{0,120}(?:let me|i can|i could|i['’]ll|feel free|just (?:ask|say|"
    r"tell)|please|tell me)",
    r"i can (?:also )?(?:(?:adjust|modify|refine|tailor|tweak)\b|(?:provide|create|make|offer|add) (?:more|another|other|a|an|variations|"
    r"different)\b)",
    r"this (?:(?:rewritten |revised |enhanced |improved |detailed |final )?prompt|(?:rewritten|revised|enhanced|improved) (?:version|"
    r"description))\b",
    r"this (?:description|version|rewrite) (?:keeps|captures|adds|emphasi|maintains|preserves|should|expands|includes|provides|aims)",
    rf"i(?:['’]ve| have)? (?:also )?(?:added|kept|expanded|changed|enhanced|included|preserved|removed|replaced|clarified|avoided|"
    rf"focused|maintained|made){_ABOUT}",
    rf"note(?: that|:) (?:i|this|the|since|as|word|some|that)\b{_ABOUT}|[(\[*_]{{1,3}}(?:note|word count|negative prompt|"
    rf"explanation)\b[^\n]{{0,400}}$",
    r"(?:word|character|token) count\s*[:=]?\s*\d|[(\[]\s*(?:approx\w*\.? |about |~)?\d{1,3} (?:words|tokens|characters)\s*[)\]]\s*$|"
    r"negative prompt\s*:",
    r"希望(?:这|对你|对您|能)|如果(?:你|您)(?:需要|想|有|希望|喜欢)|如需|需要我|请(?:告诉|让)我|欢迎随时|随时(?:告诉|联系)|[（(](?:字数|"
    r"注)[：:]",
    r"(?:lass|lassen sie) (?:es )?mich|ich hoffe|möchte(?:st|n) (?:du|sie)|(?:wenn|falls) (?:du|sie)\b[^.]{0,80}(?:möchte|willst|wünsch|"
    r"brauch)|soll ich|sag(?:en sie)? mir",
    r"n['’]hésite[zs]? pas|j['’]espère|souhaitez-vous|voulez-vous|si vous (?:souhaitez|voulez|avez)|dites-moi|faites-moi savoir",
    r"avísame|avíseme|espero que (?:esto|te|le|sea|este)|¿(?:quieres|te gustaría|quiere|desea)|si (?:quieres|deseas|necesitas|prefieres)|"
    r"no dudes en|déjame saber|dime si",
    r"espero que (?:isso|ajude)|se (?:você )?(?:quiser|precisar|desejar)|me avise|gostaria que|spero che|fammi sapere|se (?:vuoi|"
    r"desideri)|vuoi che",
    r"(?:ご(?:希望|要望|不明|質問|参考)|お(?:役に立|気軽)|必要(?:で|が)|いかがでしょうか|さらに|他に)[^。\n]{0,60}(?:ください|ますか|"
    r"ですか|でしょうか|ましょうか|幸いです)",
    r"надеюсь|дайте знать|если (?:вы )?(?:хотите|нужно)|хотите, чтобы я|필요하시면|원하시면|도움이 (?:되|필요)|추가로 (?:필요|원)|궁금한",
)
"""A sentence about the prompt, to the user: from it on, an answer has ended."""

_CANNOT = (
    r"(?:can(?:['’]?t|not| not)|am (?:not able|unable)|['’]?m (?:not able|unable)|won['’]?t|will not|could ?n['’]t|"
    r"(?:am|['’]m) not (?:comfortable|allowed))"
)
_DO = (
    r"(?:to )?(?:help (?:with|you|create|in|by|to|produc|generat|writ|\.|,|!|$)|help[.,!]|assist|comply|creat|generat|provid|fulfil|produc|"
    r"depict|writ|rewrit|do (?:that|this)|engag|support|process|draw|mak|answer|continu|respond|be able)"
)
REFUSAL = _any(
    rf"(?:(?:i['’]?m|i am) (?:really |very |so )?sorry|sorry|my apologies|i apologi[sz]e|apologies)\b[^\"“\n]{{0,200}}?"
    rf"(?:\b(?:i|we) ?(?:\w+ ){{0,3}}?{_CANNOT}|\b(?:i|we) (?:must )?decline|[,.] (?:but )?{_CANNOT} {_DO}|"
    r"\b(?:this|that|your|the) (?:\w+ ){0,3}(?:violates|is not|isn['’]t|cannot be|can['’]t be|goes against))",
    rf"unfortunately,? (?:\w+ ){{0,3}}?(?:i|we) ?{_CANNOT} {_DO}",
    rf"(?:thank you[^.\n]{{0,80}}\. |but )?i ?{_CANNOT} {_DO}",
    r"(?:as|being) an? (?:\w+ )?(?:ai\b|artificial intelligence|language model|text-based|(?:virtual )?assistant,)[^.\n]{0,160}"
    r"(?:can(?:['’]?t|not)|unable|not able|do(?:n['’]t| not)|am not)",
    r"i (?:must|have to|need to|will have to) (?:respectfully )?(?:decline|refuse)|(?:this|that|your) (?:request|prompt|"
    r"content) (?:violates|goes against|is not (?:allowed|permitted)|may violate|appears to violate)",
    r"i(?:['’]m| am) (?:just )?(?:an ai|a (?:text|language)[- ]?(?:based|model))",
    r"(?:(?:非常|很|十分)?抱歉|对不起)[，,。！! ]?[^\n]{0,60}?(?:无法|不能|没办法|没法|不可以|不便)|(?:作为|身为)(?:一个|一名)?(?:AI|"
    r"人工智能|语言模型)|我(?:无法|不能|没办法)(?:帮助|协助|提供|生成|创建|满足|完成|处理|回答|改写)",
    r"(?:申し訳(?:ありません|ございません)|すみません|恐れ入りますが|ごめんなさい)[^\n]{0,120}?(?:できません|できかねます|いたしかねます|"
    r"対応して(?:い|お)|お手伝いでき)|AIとして",
    r"(?:죄송(?:합니다|하지만|해요)|미안)[^\n]{0,120}?(?:수 없|없습니다|어렵습니다|못)",
    r"(?:(?:es )?tut mir (?:sehr )?leid|entschuldigung|leider (?:kann|darf) ich)\b[^\n\"„]{0,120}?(?:kann|nicht|keine|unmöglich)|"
    r"ich kann (?:dabei|dir|"
    r"ihnen|diese\w*|das|dazu|keine|bei)\b[^\n.]{0,120}(?:nicht|keine|helfen)|als (?:eine? )?(?:KI|Sprachmodell)\b",
    r"(?:je suis (?:vraiment )?désolée?|désolée?|malheureusement,? je)\b[^\n\"«]{0,120}?(?:ne peux pas|ne puis|impossible|pas en mesure)|"
    r"je ne (?:peux|puis) pas (?:vous|t['’]|aider|créer|générer|répondre|fournir|réécrire)|en tant qu['’](?:ia|assistant|intelligence)",
    r"(?:lo siento|lamentablemente|disculpa|perdón)\b[^\n\"«]{0,120}?no (?:puedo|me es posible|podemos)|no puedo (?:ayudar|crear|generar|"
    r"cumplir|proporcionar|asistir|reescribir)|como (?:una? )?(?:ia|modelo de lenguaje|inteligencia)",
    r"(?:desculpe|sinto muito|infelizmente)\b[^\n]{0,120}?não (?:posso|consigo)|não posso (?:ajudar|criar|gerar)|(?:mi dispiace|"
    r"purtroppo)\b[^\n]{0,120}?non (?:posso|sono)|non posso (?:aiutar|crear|generar)",
    r"(?:извините|простите|к сожалению)\b[^\n]{0,120}?не (?:могу|могли|в состоянии)|я не могу (?:помочь|создать|сгенерировать|выполнить)|"
    r"как (?:ии|языковая модель)",
)
"""A refusal. One that begins with a quotation mark is a picture of one, and does not match."""
REFUSAL_LEAD = re.compile(
    r"[^\n]{0,300}?\b(?:here(?:['’]s| is)|i can (?:offer|give|provide)|you (?:can|could) use)\b[^\n:]{0,120}\b(?:prompt|description|"
    r"rewrite|version)\b[^\n:]{0,60}:\s*",
    re.IGNORECASE,
)
"""A refusal to draw that goes on to give the prompt all the same."""

QUESTION = _any(
    r"(?:(?:could|can|would|will) you (?:please |kindly )?|please |kindly )(?:tell|provide|share|clarify|give|specify|describe|elaborate|"
    r"let me know|explain|send|supply|enter|paste)\b",
    r"(?:what|which|how|do you have|are you looking)\b(?=[^?\n]{0,200}\b(?:you|your|scene|image|picture|prompt)\b)[^?\n]{0,300}\?",
    r"(?:it (?:seems|looks like|appears) (?:that |like )?(?:you|your|there)\b|i (?:don['’]t|do not) (?:see|have)|i (?:would |['’]d )?need)"
    r"[^\n]{0,120}\b(?:prompt|request|information|details|context|message|input)\b|there(?: is|['’]s) no (?:\w+ )?(?:prompt|request|"
    r"input)\b",
    r"(?:i['’]m ready|ready) (?:to help|when you are|for your|to rewrite)|(?:i['’]?d|i would) (?:be happy|love) to\b[^\n]{0,120}(?:could|"
    r"can|please|what)",
    r"before i\b[^\n]{0,160}\?|to (?:help|give|create|write|get started)\b[^\n]{0,160}(?:could you|can you|please (?:tell|provide|share)|"
    r"i need)",
    r"(?:请(?:问|提供|告诉|描述|说明|输入|分享)|您(?:能|可以|想)|你(?:能|可以|想))[^\n]{0,120}[?？。]|(?:どのような|どんな|詳しく教えて|"
    r"もう少し)[^\n]{0,80}(?:ください|か[?？。])|(?:プロンプトを)[^\n]{0,30}(?:ください|ますか)",
    r"(?:könn(?:t|te|ten|en)(?:st)? (?:du|sie)|kannst du|bitte (?:gib|nenn|teil|beschreib|geben sie|teilen sie)|"
    r"welche[nrs]?)\b[^\n]{0,200}[?.]",
    r"(?:pou(?:rr)?(?:iez|vez|rrais)[- ](?:vous|tu)|quel(?:le)?s? (?:est|style|type|genre)|veuillez)\b[^\n]{0,200}[?.]",
    r"¿?(?:podrías?|puedes?|podría usted|qué tipo|por favor,? (?:proporcion|comparte|indica|dime))[^\n]{0,200}[?.]",
)
"""A question to the user, or a request for what was already given."""
