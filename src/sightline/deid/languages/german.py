"""German reports, from Germany, Austria and Switzerland."""

from sightline.deid.languages.contract import Language

_NAME = r"[A-ZÄÖÜ][a-zäöüßé]{1,24}"
_CAPITALS = r"[A-ZÄÖÜ]{3,24}"
_STREET = (
    r"(?:straße|strasse|str\.|str|weg|platz|allee|gasse|gässle|ring|damm|ufer|steig|chaussee|berg"
    r"|promenade|pfad|stieg|wall|graben|markt|hof|winkel|zeile|park|garten|tor|brücke|kamp|twiete"
    r"|bogen|anger|rain|feld|wiese|halde|grund|höhe|stiege|bach|tal|breite|acker)"
)
_HOUSE = (
    r"(?:klinikum|klinik|kliniken|krankenhaus|hospital|spital|sanatorium|lazarett|stift"
    r"|poliklinik|pflegeheim|seniorenheim|altenheim|hospiz)"
)
_HOUSES = (
    r"(?:Klinikum|Klinik|Kliniken|Krankenhaus|Hospital|Spital|Sanatorium|Universitätsklinikum"
    r"|Universitätsklinik|Universitätsspital|Kreisklinik|Kreiskrankenhaus|Kantonsspital"
    r"|Bezirkskrankenhaus|Landeskrankenhaus|Stadtkrankenhaus|Unfallklinik|Fachklinik|Rehaklinik"
    r"|Reha-Klinik|Seniorenheim|Pflegeheim|Altenheim|Seniorenzentrum|Städtisches Klinikum)"
)
_NUMBER = r"\s{0,2}\d{1,4}(?:\s?[a-zA-Z](?![^\W\d_]))?(?:\s?[-/]\s?\d{1,4}[a-z]?)?"
_OWN = r"(?:am|an der|an den|im|in der|bei|ob der|vor der|der|des|den|und|&)"

PLUGIN = Language(
    stop_words=frozenset(
        "der die das den dem des und ist sind war wurde wird mit ohne für zu zum zur im in am an auf"
        " bei von vom nach kein keine keinen nicht ein eine einer eines einem einen als auch aus sich"
        " es er sie wir ihr ihre ihren ihrem sehr sowie bis über unter durch oder hat haben werden"
        " bitte danke beide alle jetzt noch nur zeigt".split()
    ),
    months=(
        tuple(
            "januar februar märz april mai juni juli august september oktober november dezember".split()
        ),
        tuple(
            "jänner februar märz april mai juni juli august september oktober november dezember".split()
        ),
        tuple(
            "januar februar maerz april mai juni juli august september oktober november dezember".split()
        ),
        tuple("jan feb mär apr mai jun jul aug sep okt nov dez".split()),
        tuple("jän feb mrz apr mai jun jul aug sept okt nov dez".split()),
    ),
    weekdays=(
        tuple("montag dienstag mittwoch donnerstag freitag samstag sonntag".split()),
        tuple("montag dienstag mittwoch donnerstag freitag sonnabend sonntag".split()),
        tuple("mo di mi do fr sa so".split()),
    ),
    is_month_first=False,
    has_capital_nouns=True,
    date_words=("den", "dem"),
    titles=frozenset(
        "dr dres prof professor professorin herr herrn frau hr hrn fr frl fräulein doktor pd oa oä"
        " ca aa fa fä eheleute familie".split()
    ),
    title_parts=frozenset(
        "dr dres med dent vet rer nat phil habil prof univ dipl ing priv doz pd mult hc h c msc"
        " kollege kollegin kollegen herr herrn frau phd mba sc hum biol oec ltd".split()
    ),
    jobs=frozenset(
        "chefarzt chefärztin oberarzt oberärztin facharzt fachärztin assistenzarzt assistenzärztin"
        " arzt ärztin direktor direktorin leiter leiterin radiologe radiologin pathologe pathologin"
        " sekretariat schreibkraft mtra klinik institut abteilung kollege kollegin patient patientin"
        " hausarzt hausärztin weiterbildungsassistent weiterbildungsassistentin stationsarzt"
        " stationsärztin leitender leitende ltd".split()
    ),
    credentials=frozenset("facharzt fachärztin mhba mba phd msc".split()),
    labels=(
        r"patient(?:in|/in|en)?(?:name)?|pat|name(?: des patienten| der patientin)?|nachname|vorname"
        r"|familienname|geburtsname|betr|betreff|betrifft|cc|kopie(?:n)? an|nachrichtlich(?: an)?"
        r"|verteiler|an|von|(?:zu|über|ein)weis(?:er|erin|ender arzt|ende ärztin)|einsender(?:in)?"
        r"|zuweisender arzt|überweisender arzt|anforder(?:er|nder arzt|ung(?: von)?)|hausarzt"
        r"|hausärztin|untersucher(?:in)?|befunder(?:in)?|befundender arzt|arzt|ärztin|radiologe"
        r"|radiologin|operateur(?:in)?|oberarzt|oberärztin|chefarzt|assistent(?:in)?|assistenzarzt"
        r"|facharzt|diktat(?:zeichen)?|diktiert|schreibkraft|schreibdienst|geschrieben|mtra?|mtr"
        r"|visum|visiert|signatur|unterschrift|gezeichnet|gez|vidiert|vidierender arzt|freigabe"
        r"|ansprechpartner(?:in)?|kontakt|angehörige[rn]?|ehepartner(?:in)?|ehefrau|ehemann|mutter"
        r"|vater|tochter|sohn|betreuer(?:in)?|arbeitgeber|versicherter|erstbefunder|zweitbefunder"
        r"|verantwortlich(?:er arzt)?|leitung|supervision|pathologe|pathologin|anwesend|teilnehmer"
    ),
    leads=(
        r"gez\.?|i\.\s?a\.|i\.\s?v\.(?=\s{1,3}(?:dr|prof|[A-ZÄÖÜ]))"
        r"|(?:elektronisch )?(?:befundet|signiert|freigegeben|unterschrieben|unterzeichnet|diktiert"
        r"|geschrieben|vidiert|visiert|gezeichnet|erstellt|validiert|angefordert|überwiesen"
        r"|zugewiesen|durchgeführt|untersucht|operiert|veranlasst|beurteilt|gelesen|eingesandt)"
        r" (?:von|durch)|schreibkraft|diktat(?:zeichen)?|befundmitteilung an|rücksprache mit"
        r"|telefonat mit|besprochen mit|gespräch mit|kopie an|nachrichtlich(?: an)?|hausarzt"
        r"|hausärztin|oberarzt|oberärztin|chefarzt|chefärztin|assistenzarzt|assistenzärztin|stationsarzt"
        r"|schwester|pfleger|kollegen?|kollegin|mtra"
    ),
    hints=frozenset(
        "mit durch von an für und oder tochter sohn ehefrau ehemann mutter vater bruder schwester"
        " lebensgefährte lebensgefährtin enkel enkelin nichte neffe gattin gatte kollege kollegin"
        " diktiert schreibkraft patient patientin gez".split()
    ),
    greetings=(
        r"mit (?:freundlichen|besten|herzlichen|kollegialen|vielen)(?: (?:kollegialen|freundlichen))?"
        r" gr(?:ü|ue|u)(?:ß|ss)en|(?:beste|freundliche|herzliche|viele) gr(?:ü|ue|u)(?:ß|ss)e"
        r"|hochachtungsvoll|mfg|mit freundlichem gru(?:ß|ss)"
    ),
    id_labels=(
        r"pat(?:ienten)?\.?[\s-]{0,2}(?:nr|id|nummer)|patient(?:in)?|pat|fall(?:[\s-]?(?:nr|nummer))?"
        r"|aufnahme(?:[\s-]?(?:nr|nummer))|auftrags?(?:[\s-]?(?:nr|nummer))|e-?nr|einsende(?:nummer|nr)"
        r"|untersuchungs?(?:nummer|-?nr)|akzessions?(?:nummer|-?nr)|accession|anforderungs?(?:nummer|-?nr)"
        r"|versicherten?(?:[\s-]?(?:nr|nummer))|vers\.?-?nr|versicherungs?(?:nummer|-?nr)|kvnr|kv-nr"
        r"|krankenkassen?(?:nummer|-?nr)|mitglieds?(?:nummer|-?nr)|sv-?nr|svnr|ahv(?:-?nr)?|rvnr"
        r"|sozialversicherungs?(?:nummer|-?nr)|rentenversicherungs?(?:nummer|-?nr)|personalausweis"
        r"|ausweis(?:nummer|-?nr)?|id|identifikation|akten?(?:zeichen|nummer|-?nr)|az|unser zeichen"
        r"|ihr zeichen|journal(?:nummer|-?nr)?|befund(?:nummer|-?nr)|eingangs?(?:nummer|-?nr)|lanr|bsnr"
        r"|präparat(?:e|en)?(?:nummer|-?nr)?|block|histo(?:logie)?-?nr|archiv(?:nummer|-?nr)|iban"
        r"|röntgen(?:nummer|-?nr)|geräte(?:nummer|-?nr)|serien(?:nummer|-?nr)|nr|ik"
    ),
    phone_labels=(
        r"tel(?:efon)?(?:nummer)?|fon|fax|telefax|mobil(?:telefon|nummer)?|handy|durchwahl|dw|ruf"
        r"|rufnummer|funk|pieper|piepser|dect|erreichbar unter|unter|privat|dienstlich|apparat|app|notruf"
    ),
    birth_labels=r"geb(?:oren)?(?:en)?\.?(?: am)?|geburtsdatum|geburtstag|geb\.?-?dat(?:um)?\.?|geb\.-?d\.?|\*",
    streets=(
        rf"(?:{_NAME}-){{0,3}}[A-ZÄÖÜ][a-zäöüß]{{1,24}}(?<=[a-zäöüß]){_STREET}{_NUMBER}"
        rf"|(?:{_NAME}(?:[ -]|\n)){{1,3}}(?:Straße|Strasse|Str\.|Weg|Platz|Allee|Gasse|Ring|Damm|Ufer"
        rf"|Steig|Chaussee|Markt|Hof|Berg|Wall|Graben|Pfad|Landstraße){_NUMBER}"
        rf"|(?:Am|An der|An den|Im|In der|In den|Auf der|Auf dem|Beim|Bei der|Zum|Zur|Hinter der|Vor dem"
        rf"|Unter den|Obere|Untere|Alte|Alter|Neue|Neuer)\s{{1,2}}(?:{_NAME}[\s-]){{0,2}}{_NAME}{_NUMBER}"
        rf"|(?:{_CAPITALS}[\s-]){{0,2}}(?:[A-ZÄÖÜ]{{2,24}}(?:STRASSE|STRAßE|STR\.|WEG|PLATZ|ALLEE|GASSE|RING|DAMM)"
        rf"|(?:STRASSE|STRAßE|STR\.|WEG|PLATZ|ALLEE|GASSE)){_NUMBER}"
        rf"|(?:AM|AN DER|IM|IN DER|AUF DER|ZUM|ZUR|ALTE|ALTER|NEUE)\s{{1,2}}(?:{_CAPITALS}[\s-]){{0,2}}{_CAPITALS}{_NUMBER}"
        r"|Postfach\s\d{2,6}"
    ),
    towns=(
        rf"(?:(?:D|A|CH|DE)\s?-\s?)?(?<!\d)\d{{5}}\s{{1,2}}{_NAME}(?:(?:[-/ ]|\s{_OWN}\s){_NAME}|/[A-Z][a-z]{{1,10}}\.?"
        rf"|\s\([A-ZÄÖÜ][a-zäöüß]{{1,12}}\))?"
        rf"|(?:A|CH)\s?-\s?\d{{4}}\s{{1,2}}{_NAME}(?:[-\s]{_NAME})?"
        rf"|(?<!\d)\d{{5}}\s{{1,2}}{_CAPITALS}(?:[-\s](?:(?:AM|AN DER|IM|BEI)\s)?{_CAPITALS})?"
    ),
    place_leads=(
        r"(?:wohnhaft|wohnt|lebt|gebürtig|geboren|stammt|kommt|ansässig)(?: derzeit| aktuell)?"
        r" (?:in|aus)|wohnort|geburtsort|heimatort|aus dem raum"
    ),
    institutions=(
        rf"(?:St|Sankt|Hl)\.?[\s-]{{1,2}}{_NAME}(?:-{_NAME})?-{_HOUSES}"
        rf"|(?:{_NAME}-){{1,3}}{_HOUSES}(?:\s{{1,2}}(?:{_OWN}\s)?{_NAME})?"
        rf"|{_NAME}(?<=[a-zäöüß]){_HOUSE}\b(?:\s{{1,2}}(?:{_OWN}\s){{0,2}}(?:St\.\s)?{_NAME}(?:-{_NAME})?)?"
        rf"|(?:{_NAME}\s){{0,2}}{_HOUSES}\s{{1,2}}(?:(?:{_OWN}|St\.|zum|zur|Dr\.)\s{{1,2}}){{0,3}}{_NAME}"
        rf"(?:[\s-]{{1,2}}(?:{_OWN}\s)?{_NAME}){{0,2}}"
        rf"|(?:MVZ|Praxis|Gemeinschaftspraxis|Radiologiepraxis|Medizinisches Versorgungszentrum|Ärztehaus"
        rf"|Diagnostikum|Radiologie|Radiologikum|Röntgenpraxis|Radiologiezentrum|Radiologisches Zentrum)"
        rf"\s{{1,2}}(?:(?:{_OWN}|Dr\.|Dres\.|med\.)\s{{1,2}}){{0,4}}{_NAME}(?:[\s-]{{1,2}}(?:{_OWN}\s)?{_NAME}){{0,2}}"
        rf"|(?:ST\.-)?(?:{_CAPITALS}-){{0,3}}[A-ZÄÖÜ]{{3,24}}(?:KLINIKUM|KLINIK|KRANKENHAUS|HOSPITAL|SPITAL)(?:\s{_CAPITALS})?"
        rf"|(?:ST\.-)?(?:{_CAPITALS}[\s-]){{0,3}}(?:KLINIKUM|KLINIK|KRANKENHAUS|HOSPITAL|SPITAL|MVZ)"
        rf"(?:\s(?:(?:AM|DER|AN DER|IM)\s)?{_CAPITALS}(?:[\s-]{_CAPITALS})?)?"
    ),
    wards=r"station|zimmer|zi\.|bett|stat\.|bettplatz",
    ages=(
        r"(?:[\s-]{0,2})(?:jähr|jaehr|jahre|lebensjahr|j\.)(?=[^\d]|$)|(?:[\s-]{0,2})jahr(?![^\W\d_])"
    ),
    age_labels=r"alter:?|im alter von",
    year_leads=(
        r"im jahre?|seit|von|ab|bis|anno|ca\.|um|frühjahr|sommer|herbst|winter|anfang|ende|mitte|vor"
        r"|nach|ed|op|z\.\s?n\.|erstdiagnose|jahr|jahren"
    ),
    words=("german_words.txt", "clinical_words.txt"),
)
