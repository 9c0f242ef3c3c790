"""Words whose full stop does not end a sentence, and words that certainly end one.

The language of a text is not known. So a word is here only if it rarely ends a sentence in another
language with a voice in Home Assistant: "av." is an avenue in French, and "off" in Swedish. Words
are in lower case and match any case. A word with a capital, or after "=", matches only as it is.

Sources: the sentence break suppressions of Unicode CLDR 46 (de, en, es, fr, it, pt, ru) without
those that are ordinary words; the abbreviated months of CLDR 45; for the other languages their
own usage in addresses, titles and dates.
"""

from typing import Final
from unicodedata import category

__all__ = [
    "ABBREVIATIONS",
    "BEFORE_NUMBERS",
    "BESIDE_NUMBERS",
    "FINAL_WORDS",
    "SENTENCE_STARTERS",
    "has_parts",
]


# Letters of each part of an abbreviation with full stops: "z.B", "Ph.D". One that begins with a
# single letter may have longer ones: "f.eks".
MAX_PART_CHARS: Final = 2
MAX_LATER_PART_CHARS: Final = 4


def _cased(words: str) -> frozenset[str]:
    """Words in small letters also with a capital and in capitals; but "=word" as it stands."""
    forms: set[str] = set()
    for word in words.split():
        exact = word.removeprefix("=")
        forms.add(exact)
        if exact == word and word.islower():
            forms.update((word.capitalize(), word.upper()))
    return frozenset(forms)


ABBREVIATIONS: Final = _cased(
    # English
    "mr mrs ms mx messrs dr prof rev sr =Ste gov sgt lt capt cpl cmdr supt vs viz cf "
    "Gen Col Maj Sen Rep Pres Adm Sec Dept Hon Bl =max "
    # German
    "hr hrn fr frl dipl habil =Fa bzw inkl exkl zzgl einschl evtl ggf ggfs sog vgl bspw hrsg jh "
    "jhd jahrh std mio mrd tsd insb insbes entspr ehem betr bzgl allg dt frz österr schweiz nördl "
    "südl östl westl zzt zt hbf abt ztr str verh kath röm chr ing fam gebr inh abs geb "
    # French
    "=MM mme mmes mlle mlles mgr env bd boul fg éd tél réf cie gén col Av "
    # Spanish, Catalan, Galician, Portuguese
    "sra srta sres sras srs dña dra drs dras profa lic licdo lcdo ldo arq avda pza plza ctra "
    "dpto depto aprox cnel gral excmo excma ilmo ilma exmo exma rvdo =Sto =Sta vda "
    "tfno esq =Eng séc apto cx "
    # Italian
    "sig sigg dott avv geom cfr sez tav mons "
    # Dutch, Afrikaans
    "dhr mevr mw bijv bv resp incl excl vnl mnr mev ong "
    # Polish
    "ul al pl inż ks bp św np tj tzn tzw zob płk ppłk mjr sierż woj "
    # Czech, Slovak
    "např napr tzv nám tř bc mudr MUDr JUDr PhDr RNDr MVDr ThDr cca popř příp roč tis sv "
    # Hungarian
    "ifj özv kb krt "
    # Romanian
    "=Dl dna dnei sf bl jud șos șt "
    # Croatian, Serbian, Slovenian
    "npr inž gđa gdin gosp sl "
    # Swedish, Danish, Norwegian, Icelandic
    "dvs "
    # Finnish, Estonian, Latvian, Lithuanian
    "esim ns puh nk piem pvz pr "
    # Turkish
    "doç yrd sn bkz örn =Mah =Cad =Sok yakl Alb Org "
    # Greek
    "δρ καθ οδ λεωφ δηλ στρ κα "
    # Russian, Ukrainian, Bulgarian, Serbian, Macedonian
    "ул пр просп пл пер наб бул им проф акад доц инж ср напр тыс обл корп св вул пров ім див "
    "тис буд бл вх ет ап гр кв ген полк нпр тзв др г-жа общ мкр "
    # Vietnamese, Indonesian, Malay
    "tp ts ths pgs gs bs đt sđt jl jln gg =Ir hj tn sdr kab kec prov kel ThS Ny "
    "Bpk En Pn "
    # Filipino, Swahili, Thai
    "Gng Bb Dkt ดร "
    # Hindi, Marathi, Nepali, Bengali, Gujarati, Punjabi, Tamil, Telugu, Kannada, Malayalam
    "डॉ डा प्रो कु पं रु सं पृ ড ডা মো মোঃ ডঃ ડૉ ਡਾ திரு டாக்டர் డా శ్రీ ಡಾ ಶ್ರೀ ഡോ ശ്രീ "
)
"""Something always follows these, or nearly: titles, parts of addresses, "for example"."""

BEFORE_NUMBERS: Final = _cased(
    "no nos nr nro nó num núm n° nº № č čís br бр αρ zk sz lk "
    "máx mín obr rys мал kuva नं көш =ok =ок "
    "art kap cap chap ch kpt fig abb tab =sec SEC ver vol app eq ex ext par para "
    "p pp pg pág pag s side sid bls blz σελ ст п гл рис табл "
    "tel tlf тел τηλ págs pàg pagg hlm tgl apt стр "
    "kl klo plkst pkl godz hod gl min Max MAX maks temp approx ca ongev circa "
    "=mah MAH est jg rp rs"
)
"""A number that follows belongs to these. "No." before a word is an answer. What is in another list
is not repeated here."""

BESIDE_NUMBERS: Final = _cased(
    "=av AV jan feb mar apr jun jul aug sep sept oct nov dec janv févr avr juil déc "
    "febr mär okt dez ene abr ago dic =gen GEN mag giu lug set ott fev out xan xul mrt "
    "des sty lut kwi cze lip sie wrz paź lis gru márc ápr máj jún júl szept ian iun iul avg "
    "ágú nóv jūn jūl heinäk helmik huhtik jouluk kesäk lokak maalisk marrask syysk tammik toukok "
    "янв фев февр мар апр июн июл авг сен сент окт ноя нояб дек січ лют бер квіт трав черв лип "
    "серп вер жовт лист груд јан јун јул ное"
)
"""Beside a number, these are part of a date or an address: "3. Okt.", "12 av. Foch"."""

MAY_END: Final = _cased("st ave blvd rd mt ft jr co inc ltd corp bros")
"""These are part of a name, unless a sentence starts after them: "Elm St. She"."""

LIST_ENDS: Final = frozenset(
    "usf etc osv ecc т.д т.п т.н κ.λπ κλπ m.m o.s.frv v.v t.t u.s.w u.ä o.ä s.v e.d".split()
)
"""The last word of a list, "and so on": a sentence mostly ends there."""

ORDINAL_ARTICLES: Final = frozenset(
    "der die das den dem des am im vom zum zur bis ab seit und oder ein eine einen einem mein dein "
    "sein ihr unser euer jeder jeden jedem dieser diesen diesem nächsten letzten".split()
)
"""Before a German ordinal. In other languages, what follows one has a small letter."""

AFTER_ORDINALS: Final = frozenset(
    "januar jänner februar märz april mai juni juli august september oktober november dezember "
    "advent etage fc jahrhundert jh klasse liga mal og platz stock stockwerk tag teil ug woche "
    "weltkrieg".split()
)
"""After a German ordinal, without an article."""

SENTENCE_STARTERS: Final = frozenset(
    "the it he she they we you this that these those there then if when on at but and so i my your "
    "our please what how is are do does would should could shall let all both yes "
    "ja nein oui non sí sì tak nie да нет ano "
    "der die das den es er sie wir ich du dann danach wenn aber und soll möchtest bitte "
    "le la les il elle nous vous je c'est il est el los las lo een het de ik "
    "o os as não eu um uma gli una".split()
)
"""The first word of a sentence, after an abbreviation or a number that may end the one before."""

FINAL_WORDS: Final = frozenset(
    "% ° °c °f € $ £ kwh "
    # English
    "percent degrees celsius fahrenheit minutes seconds hours o'clock okay it you me them him "
    "here now off on closed locked unlocked today tomorrow tonight yesterday done please "
    "thanks welcome again well ready available moment outside inside downstairs "
    "upstairs morning afternoon evening "
    # German
    "prozent grad minuten sekunden stunden uhr aus an zu offen geschlossen heute morgen fertig "
    "gut bitte danke eingeschaltet ausgeschaltet verschlossen werden "
    # French, Spanish, Italian, Portuguese, Dutch
    "degrés secondes heures allumée allumé éteinte éteint fermée fermé ouverte ouvert "
    "aujourd'hui demain grados segundos horas encendida encendido apagada apagado cerrada cerrado "
    "abierta abierto hoy mañana gradi minuti secondi accesa acceso spenta spento chiusa chiuso "
    "oggi domani graus ligada ligado desligada desligado fechada fechado hoje amanhã graden "
    "seconden uren uit dicht vandaag morgen "
    # Polish, Russian, Swedish
    "procent stopni minut sekund godzin włączone wyłączone włączona wyłączona dzisiaj jutro "
    "градусов процентов минут секунд часов включён выключен включена выключена включен "
    "сегодня завтра grader sekunder minuter timmar på idag imorgon".split()
)
"""A mark after one of these ends a sentence, whatever follows: no name, address or number has
them before a full stop."""


def has_parts(word: str) -> bool:
    """Whether this is a letter, or short parts with full stops between: "J", "z.B", "Ph.D"."""
    first, *later = word.split(".")
    if not later:
        return (len(first) == 1 and first.isalpha()) or _is_doubled(first)
    most = MAX_LATER_PART_CHARS if len(first) == 1 else MAX_PART_CHARS
    return (
        len(first) <= MAX_PART_CHARS
        and all(0 < len(part) <= most for part in later)
        and all(category(letter)[0] in "LM" for letter in word if letter != ".")
    )


def _is_doubled(word: str) -> bool:
    """Whether this is a Spanish plural: "EE. UU."."""
    return len(word) == 2 and word[0] == word[1] and word.isupper()
