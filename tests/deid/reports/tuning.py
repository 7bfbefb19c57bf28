"""Reports that the rules of the cleaner were made with; none of it judges them."""

import datetime as dt
import json
import random
from collections.abc import Callable
from pathlib import Path

from sightline.deid.known_identifiers import KnownIdentifiers
from tests.deid.reports.generating import Case, Filled, Report, report_of

_NAMES = json.loads(Path(__file__).with_name("tuning_names.json").read_text(encoding="utf-8"))
_SEED = 11_000
Slot = Callable[[random.Random], Filled]
_EN_MONTHS = "January February March April May June July August September October November December"
_DE_MONTHS = "Januar Februar März April Mai Juni Juli August September Oktober November Dezember"
_EN_DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
_DE_DAYS = ["Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag"]
_STREETS = {
    "en": (
        "Park Street",
        "Oak Lane",
        "Church Road",
        "Hillside Avenue",
        "Third Street",
        "Abbey Way",
    ),
    "de": ("Hauptstraße", "Gartenweg", "Mozartstr.", "Im Winkel", "Untere Zeile", "Karlsplatz"),
}
_TOWNS = ("Westbrook", "Fairmont", "Little Norton", "New Harbor", "Eastleigh")
_HOUSES = {
    "en": ("St. Luke's Hospital", "Fairmont Memorial Hospital", "Westbrook Medical Centre",
           "Northside Clinic", "Queen Anne Infirmary", "University Hospital of Fairmont"),
    "de": ("Klinikum Musterstadt", "St.-Josef-Krankenhaus", "Universitätsklinikum Altstadt",
           "Kreiskrankenhaus Talheim", "Praxis am Stadtpark", "Waldklinik Seefeld"),
}  # fmt: skip


def tuning_reports(count: int) -> list[Report]:
    """Make reports, every second one German."""
    made = []
    for number in range(count):
        chance = random.Random(_SEED + number)  # noqa: S311 - repeatable
        language = "de" if number % 2 else "en"
        parts = _GERMAN if language == "de" else _ENGLISH
        templates = [
            " ".join(chance.sample(each, min(take, len(each)))) + "\n" for each, take in parts
        ]
        made.append(report_of(templates, _case(chance, language), chance, language=language))
    return made


def _case(chance: random.Random, language: str) -> Case:
    stem = "german" if language == "de" else "english"
    given, family = _NAMES[f"{stem}_given"], _NAMES[f"{stem}_family"]
    first, last = chance.choice(given), chance.choice(family)
    if chance.random() < 1 / 10:
        last = chance.choice(("Gross", "Sommer", "Wolf") if language == "de" else ("May", "Cook"))
    doctor, doctor_first = chance.choice(family), chance.choice(given)
    birth = dt.date(chance.randint(1930, 2005), chance.randint(1, 12), chance.randint(1, 28))
    id_, order = str(chance.randint(10**5, 10**8)), f"ORD{chance.randint(10**5, 10**7)}"
    street = _street(chance, language)
    town = _town(chance, language)
    house = chance.choice(_HOUSES[language])
    phone = _phone(chance, language)
    record = KnownIdentifiers(
        names=(f"{last}^{first}",),
        people=(f"{doctor}^{doctor_first}",),
        ids=(id_, order),
        birth_dates=(birth.strftime("%Y%m%d"),),
        phones=(phone,),
        addresses=(street,),
        places=(town,),
        institutions=(house,),
    )

    def known(kind: str, *forms: str) -> Slot:
        return lambda chance: Filled(chance.choice(forms), kind, is_known=True)

    def other(kind: str, make: Callable[[random.Random], str]) -> Slot:
        return lambda chance: Filled(make(chance), kind, is_known=False)

    def any_name(chance: random.Random) -> str:
        one, name = chance.choice(given), chance.choice(family)
        return chance.choice((name, f"{one} {name}", f"{one[0]}. {name}", f"{name}, {one}"))

    slots = {
        "pat": known("patient", f"{first} {last}", f"{last}, {first}", f"{last} {first}"),
        "last": known("patient", last, last.replace("ü", "ue").replace("ö", "oe")),
        "birth": known("birth", *_dates(birth, language)),
        "id": known("id", id_),
        "order": known("id", order),
        "street": known("address", street),
        "town": known("place", town),
        "phone": known("phone", phone),
        "kdoc": known("physician", doctor, f"{doctor_first} {doctor}"),
        "house": known("institution", house),
        "doc": other("physician", lambda chance: chance.choice(family)),
        "docs": other("physician", any_name),
        "full": other("physician", lambda chance: f"{chance.choice(given)} {chance.choice(family)}"),
        "date": other("date", lambda chance: chance.choice(_dates(_day(chance), language))),
        "my": other("date", lambda chance: _month_year(chance, language)),
        "wd": other("date", lambda chance: _weekday(chance, language)),
        "xid": other("id", lambda chance: chance.choice(
            (str(chance.randint(10**6, 10**9)), f"X{chance.randint(10**5, 10**8)}"))),
        "xphone": other("phone", lambda chance: _phone(chance, language)),
        "xhouse": other("institution", lambda chance: chance.choice(_HOUSES[language])),
        "xstreet": other("address", lambda chance: _street(chance, language)),
        "xtown": other("place", lambda chance: _town(chance, language)),
        "mail": other("email", lambda chance: f"info{chance.randint(1, 99)}@rad-mitte.example"),
        "old": other("age", lambda chance: str(chance.randint(90, 103))),
    }  # fmt: skip
    return Case(slots, record)


def _day(chance: random.Random) -> dt.date:
    return dt.date(chance.randint(2005, 2025), chance.randint(1, 12), chance.randint(1, 28))


def _dates(day: dt.date, language: str) -> tuple[str, ...]:
    name = (_DE_MONTHS if language == "de" else _EN_MONTHS).split()[day.month - 1]
    if language == "de":
        return (
            f"{day:%d.%m.%Y}",
            f"{day:%d.%m.%y}",
            f"{day.day}. {name} {day.year}",
            f"{day:%Y-%m-%d}",
        )
    return (f"{day:%m/%d/%Y}", f"{name} {day.day}, {day.year}", f"{day.day} {name} {day.year}",
            f"{day:%Y-%m-%d}", f"{day:%d-%b-%Y}", f"{name[:3]} {day.day}, {day.year}")  # fmt: skip


def _month_year(chance: random.Random, language: str) -> str:
    day = _day(chance)
    name = (_DE_MONTHS if language == "de" else _EN_MONTHS).split()[day.month - 1]
    return chance.choice((f"{name} {day.year}", f"{day:%m/%Y}"))


def _weekday(chance: random.Random, language: str) -> str:
    day = _day(chance)
    if language == "de":
        return f"{_DE_DAYS[day.weekday()]}, {day:%d.%m.%Y}"
    return f"{_EN_DAYS[day.weekday()]} {day:%m/%d/%Y}"


def _street(chance: random.Random, language: str) -> str:
    name, number = chance.choice(_STREETS[language]), chance.randint(1, 200)
    return f"{name} {number}" if language == "de" else f"{number} {name}"


def _town(chance: random.Random, language: str) -> str:
    if language == "de":
        return f"{chance.randint(10000, 99999)} {chance.choice(_NAMES['german_towns'])}"
    return f"{chance.choice(_TOWNS)}, {chance.choice(('CA', 'PA', 'WA'))} {chance.randint(10000, 99999)}"


def _phone(chance: random.Random, language: str) -> str:
    one, two, three = chance.randint(200, 999), chance.randint(200, 999), chance.randint(1000, 9999)
    if language == "de":
        return chance.choice(
            (f"0{one} {three}{two}", f"0{one}/{three}-{two}", f"+49 {one} {three}{two}")
        )
    return chance.choice(
        (f"({one}) {two}-{three}", f"{one}.{two}.{three}", f"+1 {one} {two} {three}")
    )


_ENGLISH: tuple[tuple[tuple[str, ...], int], ...] = (
    ((
        "{house}\nDiagnostic Imaging\nName: {pat}\nDate of Birth: {birth}\nMRN: {id}\nOrder number: {order}\n",
        "Patient: {pat} | DOB: {birth} | ID: {id} | Referrer: {kdoc}\n",
        "To: Dr. {kdoc}\nRegarding: {pat}, born {birth}, of {street}, {town}\n",
        "X-RAY REPORT for {pat} (MRN {id}), requested by Dr. {doc} on {date}.\n",
    ), 1),
    ((
        "Seen by Dr. {doc} in {my} for chest pain.",
        "Mrs. {last} is a {old} year old lady living at {xstreet}, {xtown}.",
        "Admitted to {xhouse} on {date}.",
        "Mr. {last}'s wife {full} can be called at {xphone}.",
        "He was operated on by {full} at {xhouse} in {my}.",
        "A <20-89> year old man with Hashimoto thyroiditis.",
        "Patient complains of shortness of breath since {date}.",
    ), 3),
    ((
        "Technique: CT after 80 ml of Iopamidol, 5 mm slices.",
        "Comparison: {date}.",
        "Compared to the prior study of {date} (Dr. {doc}).",
        "Prior imaging from {xhouse}, {my}.",
    ), 2),
    ((
        "Small hiatal hernia. Normal gallbladder.",
        "Morton neuroma in the third web space, 6 mm.",
        "Le Fort I fracture. Colles fracture of the left wrist.",
        "Small Bochdalek hernia; Schmorl nodes at T11 and T12.",
        "The uterus measures 8.1 x 4.0 x 3.2 cm, BI-RADS 3, pT3 N0 M0.",
        "No abnormal FDG uptake; SUVmax 2.1. Hounsfield units 35.",
        "Hill-Sachs lesion and Bankart lesion of the right shoulder.",
        "Diverticulosis without diverticulitis. Bosniak I cyst of 22 mm.",
        "Meckel diverticulum cannot be excluded. Series 2, image 17.",
        "Left ventricular function is preserved. TAPSE 21 mm.",
    ), 5),
    ((
        "Impression: no change since {date}.",
        "Discussed with {full} on {date} at 11:20.",
        "Findings called to Dr. {doc}, nurse {full}.",
        "Follow-up with Dr. {doc} is advised.",
        "Next visit on {wd}. Contact: {mail} or {xphone}.",
        "{last} was informed. Policy number: {xid}.",
    ), 2),
    ((
        "Signed by: {full}, MD on {date}",
        "Best regards,\n{full}\nConsultant Radiologist\ncc: Dr. {kdoc}, Dr. {doc}",
        "Radiologist: {docs}",
        "Interpreted by {full}, D.O.; transcribed by {docs}",
        "Sincerely,\nDr. {full}\n{house}",
    ), 1),
)  # fmt: skip

_GERMAN: tuple[tuple[tuple[str, ...], int], ...] = (
    ((
        "{house}\nRadiologische Abteilung\nName: {pat}\ngeb.: {birth}\nPatienten-ID: {id}\nAuftrag: {order}\n",
        "Patientin: {pat}, geboren {birth}, {street}, {town}\n",
        "An Herrn Dr. med. {kdoc}\nBetrifft: {pat}, geb. {birth}\n",
        "Röntgenbefund für {pat}, Fall-Nr. {id}, angefordert von Dr. {doc} am {date}.\n",
    ), 1),
    ((
        "Frau {last} wurde am {date} von Dr. {doc} vorgestellt.",
        "Der {old}-jährige Herr {last} lebt in {xstreet}, {xtown}.",
        "Operation {my} im {xhouse}.",
        "Ansprechpartner: {full}, Tel. {xphone}.",
        "Herr {last} klagt seit {my} über Husten.",
        "<20-89>-jährige Patientin mit Hashimoto-Thyreoiditis.",
        "Überwiesen durch Frau Dr. {doc}.",
    ), 3),
    ((
        "Technik: CT nach 80 ml Kontrastmittel, Schichtdicke 5 mm.",
        "Vergleich mit {date}.",
        "Voruntersuchung vom {date} (Dr. {doc}) liegt vor.",
        "Vorbefund aus {xhouse}, {my}.",
    ), 2),
    ((
        "Kleine Hiatushernie. Gallenblase unauffällig.",
        "Morbus Paget des linken Beckens. Hill-Sachs-Delle rechts.",
        "Schmorl-Knötchen in Höhe Th8/9, Segment IVa.",
        "Uterus 8,1 x 4,0 x 3,2 cm, BI-RADS 3, pT3 N0 M0.",
        "Bosniak-I-Zyste mit 22 mm. Ödem im Hoffa-Fettkörper.",
        "Kleiner Nabelbruch. Große Struma nodosa. Junge Patientin.",
        "Kein Nachweis von Metastasen; Sigmadivertikulose.",
        "Die A. carotis interna links ist frei durchgängig, M. psoas unauffällig.",
        "Serie 2, Bild 17: fokale Verdichtung, 45 HU.",
        "Kein Anhalt für Osteomyelitis. Zustand nach Whipple-Operation.",
    ), 5),
    ((
        "Beurteilung: keine Änderung seit {date}.",
        "Befund besprochen mit Dr. {doc} am {date} um 11:20 Uhr.",
        "Wiedervorstellung bei Prof. Dr. {doc} empfohlen.",
        "Nächster Termin {wd}. Kontakt: {mail} oder {xphone}.",
        "{last} ist informiert. Versicherungsnummer: {xid}.",
        "Telefonat mit Frau {full}, Schwester {full}.",
    ), 2),
    ((
        "gez. Dr. {full}, {date}",
        "Mit freundlichen Grüßen\n{full}\nOberärztin\nKopie: Dr. {kdoc}, Dr. {doc}",
        "Radiologe: {docs}",
        "Diktiert von {full}; geschrieben von {docs}",
        "Mit besten Grüßen\nDr. med. {full}\n{house}",
    ), 1),
)  # fmt: skip
