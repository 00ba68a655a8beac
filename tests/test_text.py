"""Sentence offsets and the English check."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from linear import assert_linear

from mtdetect.text import Edits, english_share, looks_english, split_sentences, undisguised

GOLD = json.loads((Path(__file__).parent / "cases" / "sentences.json").read_text(encoding="utf-8"))
DATA = Path(__file__).parents[2] / "shared" / "data"
WORDS = "Mr.|U.S.|J.|No.|He|left|5|中文。|🎉|e\u0301|\ud800|\u200d|\u202e|...|\n\n|\r\n"
PIECES = st.sampled_from([*WORDS.split("|"), "x" * 60, *".!?…\"“”'() \t\n\r\u00a0\u2028\x0c\x85"])
TEXTS = st.one_of(st.text(), st.lists(PIECES, max_size=40).map("".join))


def split(text: str) -> list[str]:
    return [text[start:end] for start, end in split_sentences(text)]


def passage(case: dict) -> str:
    return case["text"] if "text" in case else case["joiner"].join(case["sentences"])


@given(TEXTS)
def test_spans_are_lossless_ordered_and_trimmed(text: str) -> None:
    position = 0
    for start, end in split_sentences(text):
        assert position <= start < end <= len(text)
        assert not text[position:start].strip()
        assert text[start:end] == text[start:end].strip()
        position = end
    assert not text[position:].strip()


@given(TEXTS)
def test_surrounding_whitespace_only_shifts_the_spans(text: str) -> None:
    shifted = split_sentences(f"\n {text} \n\n")
    assert [(start - 2, end - 2) for start, end in shifted] == split_sentences(text)


@given(TEXTS, TEXTS)
def test_a_blank_line_always_separates(first: str, second: str) -> None:
    assert split(f"{first}\n\n{second}") == split(first) + split(second)


def test_boundary_f1_on_the_gold_passages() -> None:
    assert len(GOLD) >= 12
    assert sum(len(case["sentences"]) for case in GOLD) >= 120
    hits = found = wanted = 0
    for case in GOLD:
        text, position, gold = passage(case), 0, set()
        for sentence in case["sentences"]:
            position = text.index(sentence, position) + len(sentence)
            gold.add(position)
        ends = {end for _, end in split_sentences(text)}
        hits, found, wanted = hits + len(gold & ends), found + len(ends), wanted + len(gold)
    assert 2 * hits / (found + wanted) >= 0.97


@pytest.mark.parametrize(
    "sentences",
    [
        ["Soleimani died in a drone.", "He hits."],
        ["They operate in Iraq.", "“Self-defense,” Especially amid"],
        ["He planned an operation.", "“imminent” Attack on"],
        ["The U.S. “anti-terror” war began.", "It ended."],
        ["“Is it true?” Smith asked.", "“No!”", "He left."],
        ["Gen. Pat Ryder's secretary left at 5 p.m.", "The U.S. Senate met."],
        ["He has no.", "Then he paid No. 5."],
        ["He was born in Jan. 1990.", "I. Newton was not."],
        ["See the cat (U.S.) again.", "“Yes.”", "“No.”"],
        ["“Why?”", "Rain fell."],
        ["“Why?!” Smith asked.", "“Go.”", "Smith asked why."],
        ["The man said “Why?” Smith asked.", "Then “Why?”", "The mayor said no."],
        [
            "He spoke of … “great” plans, of … “eBay” and of ... “small” ones.",
            "It ends...",
            "“Great” it was…",
            "“Then” is now.",
        ],
        ["The law (U.S.) Congress passed it.", "The law [U.S.] Congress passed it."],
        ["He met (Mr. Smith) and “Dr. Jones” there."],
        ["It joined NATO.", "Poland came later.", "He runs example.org.", "Poland is next."],
        ["100. First item of a list."],
        ["1999.", "A year of rain."],
        ["He paid approx.  five crowns in Inc.  Magazine."],
        ["“He said: ‘Go home.’ ”", "\"He said: 'Go home.' \"", "Then he left. ”", "I stayed."],
    ],
)
def test_sentences_joined_by_a_space_come_apart(sentences: list[str]) -> None:
    assert split(" ".join(sentences)) == sentences


def test_a_missing_space_is_a_boundary_only_before_a_word_that_opens_sentences() -> None:
    assert split("This is the end.The next one.") == ["This is the end.", "The next one."]
    assert split("Go.The next one.") == ["Go.", "The next one."]
    assert split("The site Booking.Com is down.") == ["The site Booking.Com is down."]
    assert split("Visit Booking.Com or Node.JS at 3.5 percent.") == ["Visit Booking.Com or Node.JS at 3.5 percent."]


def test_a_line_break_separates_unless_the_text_is_wrapped() -> None:
    assert split("Headline\nthe text") == ["Headline", "the text"]
    assert split("Done.\nthe text") == ["Done.", "the text"]
    wrapped = "The court ruled that the dam must not be filled before the last\nfamily has left the valley."
    assert split(wrapped) == [wrapped]
    assert split(wrapped.replace("\n", "\r\n")) == [wrapped.replace("\n", "\r\n")]
    assert len(split(wrapped.replace("\n", "\n\n"))) == 2
    assert split("\n\n One. Two.") == ["One.", "Two."]
    assert split("Done. \nthe text") == split("Done.\n\nthe text") == ["Done.", "the text"]
    assert split("1. First item\n2. Second item\n3. Third item") == ["1. First item", "2. Second item", "3. Third item"]


@pytest.mark.parametrize(("width", "is_wrapped"), [(49, False), (50, True), (90, True), (91, False)])
@pytest.mark.parametrize("before", ["", "Headline\n", "Headline\n\n", f"The {'a' * 60}\n"])
def test_lines_of_50_to_90_characters_are_wrapped(before: str, width: int, is_wrapped: bool) -> None:
    line = "The " + "x" * (width - 4)
    assert split(f"{before}{line}\nand so on.")[before.count("\n") > 0 :] == (
        [f"{line}\nand so on."] if is_wrapped else [line, "and so on."]
    )


@pytest.mark.parametrize(("width", "is_wrapped"), [(90, True), (91, False)])
@pytest.mark.parametrize("after", ["", "\n\nThe end."])
def test_a_line_is_not_wrapped_before_one_that_is_longer(after: str, width: int, is_wrapped: bool) -> None:
    line, rest = "The " + "x" * 60, "y" * width
    assert split(f"{line}\n{rest}{after}")[0] == (f"{line}\n{rest}" if is_wrapped else line)


def test_edits_lead_back_to_whole_replacements() -> None:
    edits = Edits([(0, 0, 2), (1, 3, 3), (4, 6, 0), (7, 8, 1)])  # abcdefghi: ++aXYZdgHi
    spans = [(0, 0), (0, 0), (0, 1), (1, 3), (1, 3), (1, 3), (3, 4), (6, 7), (7, 8), (8, 9)]
    assert [edits.span(i, i + 1) for i in range(len(spans))] == spans
    assert all(edits.span(i, j) == (spans[i][0], spans[j - 1][1]) for i in range(10) for j in range(i + 1, 11))
    assert Edits([]).span(3, 5) == (3, 5)


@pytest.mark.parametrize("text", ["", " ", "\n\n", "\u00a0\u2028"])
def test_no_text_has_no_sentences(text: str) -> None:
    assert split_sentences(text) == []


UNITS = (
    ' |.|. |Mr. |Mr.|"|. "|.\' |."|([{|)]}|a\u200d|.\u200d|\u200d|e\u0301\u0301|1234567890|\n|\r\n|.\n|a|a.'
    "|a.The|U.S. |J. |… |\u202e\u2067a|?” A |\x1c|\u00a0|A b "
)
HOSTILE = [*UNITS.split("|"), "a" * 70 + "\n", " " * 99 + "\n", "." + " " * 99, "x" * 400 + '. "']


@pytest.mark.parametrize("unit", HOSTILE)
def test_time_is_linear_on_hostile_text(unit: str) -> None:
    assert_linear(lambda text: (split_sentences(text), looks_english(text)), unit, within=1)


OTHER_LANGUAGES = {
    "Dutch": "De minister van Financiën zei dinsdag dat het kabinet nog geen besluit "
    "heeft genomen over de nieuwe belasting. In de Tweede Kamer was er veel "
    "kritiek, want volgens de oppositie is het plan slecht voorbereid en had "
    "het kabinet of de gemeenten eerder moeten ingrijpen.",
    "Afrikaans": "Die president het Dinsdag gesê dat die regering nog nie 'n besluit oor "
    "die nuwe begroting geneem het nie. Die vakbonde was bekommerd en het "
    "gewaarsku dat werkers by die myne in die noorde van die land weer gaan "
    "staak as daar nie gou met hulle gepraat word nie.",
    "German": "Der Minister sagte am Dienstag, die Regierung habe noch keine "
    "Entscheidung über das neue Gesetz getroffen. In der Stadt war die Lage "
    "am Abend ruhig, doch die Polizei will in den nächsten Tagen mehr Beamte "
    "auf die Straße schicken, um die Bürger zu schützen.",
    "Norwegian": "Statsministeren sa tirsdag at regjeringen ikke har tatt noen beslutning "
    "om den nye loven. For mange av dem som bor her i byen er det likevel "
    "viktig at noe skjer snart, for på sykehuset må pasientene vente i over "
    "to år på en operasjon.",
    "Danish": "Statsministeren sagde tirsdag, at regeringen ikke har truffet nogen "
    "beslutning om den nye lov. For mange af dem, der bor her i byen, er det "
    "dog vigtigt, at der snart sker noget, og de vil have svar inden ferien, "
    "siger en af dem til avisen.",
    "Swedish": "Statsministern sade på tisdagen att regeringen inte har fattat något "
    "beslut om den nya lagen. För många som bor här i staden är det ändå "
    "viktigt att något händer snart, och de vill ha ett svar innan riksdagen "
    "tar sommarlov, säger en av dem till tidningen.",
    "Icelandic": "Forsætisráðherra sagði á þriðjudag að ríkisstjórnin hefði ekki tekið "
    "neina ákvörðun um nýju lögin. Margir íbúar borgarinnar eru áhyggjufullir"
    " og vilja fá svör áður en þingið fer í sumarfrí, að því er segir í frétt"
    " blaðsins um málið í gær.",
    "French": "Le ministre a déclaré mardi que le gouvernement n'avait pas encore pris "
    "de décision sur la nouvelle loi. On attend une réponse dans les "
    "prochains jours, mais les syndicats se disent inquiets et les habitants "
    "de la ville ont manifesté devant la mairie.",
    "Spanish": "El ministro dijo el martes que el gobierno no ha tomado todavía una "
    "decisión sobre la nueva ley. Los vecinos de la ciudad se han manifestado"
    " ante el ayuntamiento y piden una respuesta antes del verano, según "
    "informó la agencia de noticias.",
    "Catalan": "El ministre va dir dimarts que el govern encara no ha pres cap decisió "
    "sobre la nova llei. Els veïns de la ciutat s'han manifestat davant de "
    "l'ajuntament i demanen una resposta abans de l'estiu, segons va informar"
    " l'agència de notícies.",
    "Portuguese": "O ministro disse na terça-feira que o governo ainda não tomou uma "
    "decisão sobre a nova lei. As famílias que vivem na cidade manifestaram-"
    "se em frente à câmara e pedem uma resposta antes do verão, segundo "
    "informou a agência de notícias.",
    "Italian": "Il ministro ha detto martedì che il governo non ha ancora preso una "
    "decisione sulla nuova legge. Gli abitanti della città hanno manifestato "
    "davanti al municipio e chiedono una risposta prima dell'estate, in "
    "attesa di un incontro con il sindaco.",
    "Romanian": "Ministrul a spus marți că guvernul nu a luat încă o decizie privind noua"
    " lege. Cei care au protestat în fața primăriei cer un răspuns înainte de"
    " vară, iar orașul are nevoie de bani, a declarat primarul într-o "
    "conferință de presă.",
    "Indonesian": "Menteri keuangan mengatakan pada hari Selasa bahwa pemerintah belum "
    "mengambil keputusan tentang undang-undang baru itu. Warga kota berunjuk "
    "rasa di depan kantor wali kota dan meminta jawaban sebelum akhir tahun, "
    "menurut laporan kantor berita.",
    "Tagalog": "Sinabi ng ministro noong Martes na wala pang desisyon ang pamahalaan "
    "tungkol sa bagong batas. Nagprotesta ang mga residente sa harap ng "
    "munisipyo at humihingi sila ng sagot bago matapos ang taon, ayon sa ulat"
    " ng isang pahayagan sa Maynila.",
    "Turkish": "Bakan salı günü yaptığı açıklamada hükümetin yeni yasa konusunda henüz "
    "bir karar almadığını söyledi. Her gün belediye binası önünde toplanan "
    "kent sakinleri yaz tatilinden önce bir yanıt istiyor ve her şeyin açıkça"
    " anlatılmasını bekliyor.",
    "Polish": "Minister powiedział we wtorek, że rząd nie podjął jeszcze decyzji w "
    "sprawie nowej ustawy. Jest to ważne dla mieszkańców miasta, którzy "
    "protestowali przed ratuszem, a to oznacza, że do lata trzeba będzie "
    "znaleźć pieniądze na ten cel.",
    "Czech": "Ministr v úterý řekl, že vláda zatím nerozhodla o novém zákonu. "
    "Obyvatelé města protestovali před radnicí a chtějí odpověď ještě před "
    "létem. Je to pro ně důležité, protože na to čekají už dva roky, uvedla "
    "tisková agentura.",
    "Hungarian": "A miniszter kedden azt mondta, hogy a kormány még nem döntött az új "
    "törvényről. A város lakói a polgármesteri hivatal előtt tüntettek, és a "
    "nyár előtt választ várnak, mert az ügy már két éve húzódik, és a pénz is"
    " elfogyott.",
    "Finnish": "Ministeri sanoi tiistaina, ettei hallitus ole vielä tehnyt päätöstä "
    "uudesta laista. Kaupungin asukkaat osoittivat mieltään kaupungintalon "
    "edessä ja haluavat vastauksen ennen kesää, kertoo uutistoimisto. He ovat"
    " odottaneet jo kaksi vuotta.",
    "Estonian": "Minister ütles teisipäeval, et valitsus ei ole uue seaduse kohta veel "
    "otsust teinud. Linna elanikud avaldasid raekoja ees meelt ja tahavad "
    "vastust enne suve, teatas uudisteagentuur. See on nende jaoks oluline, "
    "sest on oodatud juba kaks aastat.",
    "Vietnamese": "Bộ trưởng cho biết hôm thứ Ba rằng chính phủ vẫn chưa đưa ra quyết định "
    "về luật mới. Người dân thành phố đã biểu tình trước tòa thị chính và yêu"
    " cầu có câu trả lời trước mùa hè, theo tin của hãng thông tấn nhà nước.",
    "Swahili": "Waziri alisema Jumanne kwamba serikali bado haijafanya uamuzi kuhusu "
    "sheria mpya. Wakazi wa mji waliandamana mbele ya ofisi ya meya na "
    "wanataka jibu kabla ya mwisho wa mwaka, kwa mujibu wa shirika la habari "
    "la taifa la nchi hiyo.",
    "Esperanto": "La ministro diris marde, ke la registaro ankoraŭ ne faris decidon pri la"
    " nova leĝo. La loĝantoj de la urbo manifestaciis antaŭ la urbodomo kaj "
    "volas respondon antaŭ la somero, laŭ la raporto de la novaĵagentejo en "
    "la ĉefurbo.",
    "Haitian Creole": "Minis la te di madi ke gouvènman an poko pran desizyon sou nouvo lwa a. "
    "Moun ki rete nan vil la te manifeste devan lakomin nan epi yo mande yon "
    "repons anvan fen ane a, dapre sa yon ajans nouvèl te rapòte nan kapital "
    "la.",
    "Russian": "Министр заявил во вторник, что правительство ещё не приняло решения о "
    "новом законе. Жители города вышли на митинг перед мэрией и требуют "
    "ответа до начала лета, сообщило информационное агентство. Этого они ждут"
    " уже два года.",
    "Ukrainian": "Міністр заявив у вівторок, що уряд ще не ухвалив рішення щодо нового "
    "закону. Мешканці міста вийшли на мітинг перед мерією і вимагають "
    "відповіді до початку літа, повідомило інформаційне агентство. На це вони"
    " чекають уже два роки.",
    "Greek": "Ο υπουργός δήλωσε την Τρίτη ότι η κυβέρνηση δεν έχει πάρει ακόμη απόφαση"
    " για τον νέο νόμο. Οι κάτοικοι της πόλης διαδήλωσαν μπροστά στο "
    "δημαρχείο και ζητούν απάντηση πριν από το καλοκαίρι, σύμφωνα με το "
    "πρακτορείο ειδήσεων.",
    "Arabic": "قال الوزير يوم الثلاثاء إن الحكومة لم تتخذ بعد قرارا بشأن القانون "
    "الجديد. وتظاهر سكان المدينة أمام مبنى البلدية وطالبوا برد قبل حلول "
    "الصيف، بحسب ما ذكرت وكالة الأنباء الرسمية في تقرير نشرته على موقعها مساء"
    " أمس.",
    "Hebrew": "השר אמר ביום שלישי שהממשלה עדיין לא קיבלה החלטה בנוגע לחוק החדש. תושבי "
    "העיר הפגינו מול בית העירייה ודורשים תשובה לפני הקיץ, כך דיווחה סוכנות "
    "הידיעות. הם מחכים לכך כבר שנתיים והכסף כבר נגמר.",
    "Chinese": "部长星期二表示，政府尚未就新法律作出决定。市民在市政厅前举行示威，要求在夏天之前"
    "得到答复。据通讯社报道，他们已经等了两年，而且资金已经用完。反对党说，这项计划准"
    "备得很差，应当重新讨论。",
    "Japanese": "大臣は火曜日、政府は新しい法律についてまだ決定を下していないと述べた。市民は市役"
    "所の前でデモを行い、夏までに回答するよう求めている。通信社によると、住民はすでに"
    "二年も待っており、資金も尽きたという。",
    "Korean": "장관은 화요일 정부가 새 법률에 대해 아직 결정을 내리지 않았다고 "
    "말했다. 시민들은 시청 앞에서 시위를 벌이며 여름이 오기 전에 답변을 "
    "달라고 요구했다. 통신사에 따르면 주민들은 이미 이 년을 기다렸다.",
    "Hindi": "मंत्री ने मंगलवार को कहा कि सरकार ने नए कानून पर अभी कोई फैसला नहीं किया"
    " है। शहर के निवासियों ने नगर निगम के सामने प्रदर्शन किया और गर्मियों से "
    "पहले जवाब मांगा। समाचार एजेंसी के अनुसार वे दो साल से इंतजार कर रहे हैं।",
    "Croatian": "Ministar je u utorak rekao da vlada još nije donijela odluku o novom zakonu. Za "
    "građane je to važno, jer na odgovor čekaju već dvije godine, a on kaže da će novca biti do ljeta. "
    "Pred gradskom vijećnicom okupilo se oko tri tisuće ljudi.",
    "Slovak": "Minister v utorok povedal, že vláda zatiaľ nerozhodla o novom zákone. Je to dôležité pre "
    "obyvateľov mesta, ktorí protestovali pred radnicou a chcú odpoveď ešte pred letom, a on im ju sľúbil. "
    "Na to čakajú už dva roky.",
    "Welsh": "Dywedodd y gweinidog ddydd Mawrth nad yw'r llywodraeth wedi gwneud penderfyniad ar y gyfraith "
    "newydd eto. Bu trigolion y dref yn protestio o flaen neuadd y dref, ac maen nhw am gael ateb cyn yr haf, "
    "yn ôl asiantaeth newyddion.",
    "Irish": "Dúirt an t-aire Dé Máirt nach bhfuil cinneadh déanta ag an rialtas go fóill faoin dlí nua. Bhí "
    "muintir an bhaile ag agóid os comhair halla an bhaile agus is mian leo freagra a fháil roimh an samhradh, "
    "a deir gníomhaireacht nuachta.",
    "Danish with its English-looking words": "Han har ventet på svar for at to børn kan få plads. Det er svært "
    "for en by at have to skoler, og for at få råd til det må kommunen have flere penge, siger han.",
    "Dutch with English names": "Volgens de Financial Times was het besluit van Downing Street niet nodig, of was er "
    "te weinig tijd. De serie House of Cards is in Londen te zien, en dat is volgens de krant goed nieuws voor "
    "de bioscopen die het moeilijk hebben.",
}
ENGLISH = {
    "news": "The minister said on Tuesday that the government had not yet taken a decision on the "
    "new law. Residents of the city protested in front of the town hall, and they want an "
    "answer before the summer, an agency reported.",
    "title case": "Council Votes to Close the Bridge for Two Years. Mayor Says the Work Cannot Wait. "
    "Residents Who Were Not Told Want Their Money Back. What Comes Next for the Town and "
    "Its Bakers Is Not Known.",
    "capitals": "COUNCIL VOTES TO CLOSE THE BRIDGE FOR TWO YEARS. THE MAYOR SAID THAT THE WORK COULD "
    "NOT WAIT. RESIDENTS WHO WERE NOT TOLD WANT THEIR MONEY BACK FROM THE TOWN.",
    "names and numbers": "Jiří Novák (31, Sparta Praha) beat Łukasz Wójcik 6-3, 4-6, 7-6 (9-7) in the final "
    "on Sunday; Müller and Ångström, who won in 2016 and 2017, lost to the Đoković brothers "
    "6-1, 6-2 after 54 minutes.",
    "brief with a name in each sentence": "A man of 34 was arrested in Hull on Friday on suspicion of arson. A "
    "fire at a warehouse in Clough Road destroyed stock worth £2m. No one was injured. Humberside Police appealed "
    "for witnesses.",
    "brief with numbers": "Gold rose 1 percent to $2,300 an ounce on Monday. Silver fell 2 percent to $27. Copper "
    "gained 0.5 percent in London. Oil slipped to $81 a barrel. Wheat futures climbed 3 cents in Chicago. Corn was "
    "flat.",
    "garbled": "The minister he said in Tuesday, that the government did not take still decision "
    "around the law the new. The residents of the city they went out in demonstration in "
    "front of building of the municipality.",
}


@pytest.mark.parametrize("language", OTHER_LANGUAGES)
def test_other_languages_are_not_english(language: str) -> None:
    assert english_share(OTHER_LANGUAGES[language]) <= 0.02
    assert not looks_english(OTHER_LANGUAGES[language])


@pytest.mark.parametrize("kind", ENGLISH)
def test_english_is_english(kind: str) -> None:
    for text in (ENGLISH[kind], ENGLISH[kind].upper(), ENGLISH[kind].lower()):
        assert looks_english(text)
        assert looks_english("\n" * 1000 + text)


def test_a_few_words_get_the_benefit_of_the_doubt_if_they_are_latin() -> None:
    assert looks_english("Trump Wins Big")
    assert not looks_english("部长星期二表示")
    assert not looks_english("1999 2000 2001")
    assert not looks_english("")
    assert english_share("") == 0


def test_words_are_english_by_share() -> None:
    assert english_share("the dog") == english_share("\n" * 3000 + "The Dog") == 0.5
    assert english_share("a of to") == 0
    assert english_share("a of to on") == 0.25
    assert english_share("the дом") == pytest.approx(0.5 * 4 / 7)
    assert looks_english("kala " * 19) and not looks_english("kala " * 20)
    news = ENGLISH["news"]
    disguised = news.replace("th", "t\u00adh").replace("e", "\u0435")
    assert english_share(disguised) == english_share(news) > 0.2


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("a \u0441at", "a cat"),
        ("\u0410B", "AB"),
        ("\u0430b\u0430", "aba"),
        ("\u0441\u043e\u043c \u0441at", "\u0441\u043e\u043c cat"),
        ("\u0391\u0392\u0395", "\u0391\u0392\u0395"),
        ("caf\u00e9 \u0434\u043e\u043c", "caf\u00e9 \u0434\u043e\u043c"),
        ("plain", "plain"),
    ],
    ids=["mixed", "capital", "twice", "one word of two", "Greek", "letters of no likeness", "ASCII"],
)
def test_letters_that_look_latin_are_read_as_such_in_words_that_have_both(text: str, plain: str) -> None:
    assert undisguised(text) == plain


def test_an_english_menu_does_not_make_a_chinese_page_english() -> None:
    page = "About the site and the team that made it. " + OTHER_LANGUAGES["Chinese"] * 10
    assert not looks_english(page)


@pytest.mark.skipif(not DATA.exists(), reason="the project's data folder is not beside the repository")
def test_english_articles_of_every_label_count_as_english() -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(DATA / "articles_dev.parquet", columns=["text", "sentences"]).to_pylist()
    texts = [row["text"] or "\n".join(row["sentences"]) for row in table]
    assert sum(not looks_english(text) for text in texts if text) <= 2


@pytest.mark.skipif(not DATA.exists(), reason="the project's data folder is not beside the repository")
def test_boundaries_of_human_translations() -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = parquet.read_table(DATA / "articles_dev.parquet", columns=["sentences"], filters=[("label", "=", "ht")])
    hits = found = wanted = 0
    for sentences in filter(None, rows["sentences"].to_pylist()):
        lines = [line.strip() for line in sentences if line.strip()]
        position, gold = -1, set()
        for line in lines:
            position += 1 + len(line)
            gold.add(position)
        ends = {end for _, end in split_sentences("\n".join(lines))}
        hits, found, wanted = hits + len(gold & ends), found + len(ends), wanted + len(gold)
    assert 2 * hits / (found + wanted) >= 0.98
