"""English reports, American and British."""

from sightline.deid.languages.contract import Language

_NAME = r"[A-Z][a-z'’]{1,20}"
_CAPITALS = r"[A-Z]['’A-Z]{2,20}"
_STREET = (
    r"Street|St|Road|Rd|Avenue|Ave|Lane|Ln|Drive|Dr(?!\.?\s{1,2}[A-Z])|Court|Ct|Close|Way|Boulevard|Blvd|Place|Pl"
    "|Terrace|Crescent|Gardens|Square|Highway|Parkway|Pkwy|Grove|Hill|Row|Walk|Circle|Trail"
)
_GAP = r"\s{1,2}"
_HOUSE = (
    "Hospital|Infirmary|Clinic|Medical Cent(?:er|re)|Health Cent(?:er|re)|Surgery|Hospice"
    "|Healthcare|Health System|Imaging Cent(?:er|re)|Radiology Associates|Cancer Cent(?:er|re)"
    "|Nursing Home|Care Home|Medical Practice|Family Practice|NHS Trust|Imaging Associates"
)
_STREETS_IN_CAPITALS = (
    "STREET|ROAD|RD|AVENUE|AVE|LANE|DRIVE|COURT|CLOSE|WAY|BOULEVARD|PLACE|TERRACE"
)
_HOUSES_IN_CAPITALS = _HOUSE.upper().replace(" ", _GAP)
_HOUSE = _HOUSE.replace(" ", _GAP)

PLUGIN = Language(
    stop_words=frozenset(
        "the of and is are was were with without for to in on at by from there no not this that has"
        " have had be been or as an it its his her he she who which but if may can will should"
        " would could we you i a after before since due likely please thank dear both all any".split()
    ),
    months=(
        tuple(
            "january february march april may june july august september october november december".split()
        ),
        tuple("jan feb mar apr may jun jul aug sep oct nov dec".split()),
        tuple("jan feb mar apr may jun jul aug sept oct nov dec".split()),
    ),
    weekdays=(
        tuple("monday tuesday wednesday thursday friday saturday sunday".split()),
        tuple("mon tue wed thu fri sat sun".split()),
        tuple("mon tues weds thurs fri sat sun".split()),
    ),
    is_month_first=True,
    has_capital_nouns=False,
    date_words=("of", "the"),
    titles=frozenset(
        "dr drs doctor prof professor mr mrs ms miss mx sir madam nurse sister matron rev father".split()
    ),
    title_parts=frozenset("dr prof professor med".split()),
    jobs=frozenset(
        "consultant radiologist attending resident fellow registrar physician surgeon pathologist"
        " sonographer technologist radiographer oncologist cardiologist neurologist urologist"
        " orthopedist orthopaedist gynecologist nurse practitioner assistant specialist head chief"
        " director department professor doctor colleague patient secretary typist team staff"
        " radiology emergency surgery hospital clinic".split()
    ),
    credentials=frozenset(
        "md do rn np pa phd frcr mrcp frcs frcpath mbbs mbchb dds msc bsc rt facr facs facp dnp"
        " aprn crnp lpn pac dpm frcp mrcs fracr franzcr".split()
    ),
    labels=(
        r"patient(?:['’]s)?(?: full)?(?: name)?|name(?: of patient)?|full name|surname|first name"
        r"|last name|given name|family name|maiden name|re|regarding|attn|attention|cc|c\.c\.|copy to"
        r"|copies to|to|from|author|(?:referring|ordering|requesting|attending|reading|submitting"
        r"|primary care|interpreting|performing|consulting|supervising|treating|admitting|reporting"
        r"|responsible|family|signing|verifying|reviewing|dictating|finalizing)"
        r"(?: (?:physician|doctor|radiologist|provider|clinician|surgeon|consultant|pathologist"
        r"|staff|gp|resident|md))?"
        r"|radiologist|resident|fellow|attending|physician|provider|clinician|consultant|surgeon"
        r"|pathologist|technologist|sonographer|radiographer|operator|technician|gp|pcp"
        r"|transcriptionist|typist|reader|reporter|signature|signed|next of kin|contact"
        r"|emergency contact|mother|father|spouse|guardian|employer|examiner|assistant|nurse"
        r"|performed|dictated|transcribed|ordered|reported|verified|approved|reviewed|authenticated"
        r"|distribution|recipients?|witness"
    ),
    leads=(
        r"(?:electronically )?(?:signed|dictated|transcribed|reported|ordered|verified|approved"
        r"|reviewed|interpreted|read|performed|authenticated|referred|requested|typed|checked"
        r"|authorized|authorised|finalized|countersigned|released|seen|prepared|entered|validated)"
        r"(?: (?:electronically|and (?:signed|approved|verified|finalized)))? by"
        r"|spoke (?:with|to)|discussed with|communicated to|telephoned to|reported to|called to"
        r"|relayed to|conveyed to|notified|informed|addressed to|on behalf of"
    ),
    hints=frozenset(
        "with by to from for and or of see contact attention regarding dear per via called named"
        " daughter son wife husband mother father brother sister partner friend neighbor neighbour"
        " niece nephew aunt uncle grandson granddaughter spouse colleague signed i".split()
    ),
    greetings=(
        r"(?:yours )?(?:sincerely|faithfully|truly)(?: yours)?|(?:with )?(?:kind|best|warm)"
        r"(?:est)? (?:regards|wishes)|regards|respectfully|with thanks|many thanks|best|signed"
    ),
    id_labels=(
        r"mrn|m\.r\.n\.|medical record|patient id|pat\.? id|patient|hospital|chart|case|file|unit"
        r"|account|acct|accession|acc|order|requisition|request|exam(?:ination)?|study|visit"
        r"|encounter|insurance(?: id| policy)?|policy|member(?:ship)?|subscriber|medicare|medicaid"
        r"|nhs|ssn|social security|passport|driver['’]?s? licen[cs]e|licen[cs]e|specimen|lab|slide"
        r"|id|identifier|ref(?:erence)?|your ref|our ref|npi|dea|serial|plate|certificate|chi"
        r"|device|health plan|beneficiary|national insurance"
    ),
    phone_labels=(
        r"tel(?:ephone)?|ph(?:one)?|fax|mobile|cell(?: phone)?|pager|bleep|beeper|ext(?:ension)?"
        r"|direct line|call(?:ed)?|contact|home|work|reach(?:ed)? (?:me |us |him |her )?(?:at|on)"
        r"|switchboard|hotline"
    ),
    birth_labels=r"dob|d\.o\.b\.|date of birth|birth ?date|born(?: on)?|birthday",
    streets=(
        rf"\d{{1,5}}[A-Za-z]?,?\s{{1,2}}(?:(?:[NSEW]|North|South|East|West)\.?\s{{1,2}})?"
        rf"(?:(?:{_NAME}|\d{{1,3}}(?:st|nd|rd|th))\s{{1,2}}){{1,3}}(?:{_STREET})\b\.?"
        rf"(?:,?\s{{1,2}}(?:Apt|Apartment|Suite|Unit|Flat|#)\.?\s{{0,2}}[0-9A-Z]{{1,5}})?"
        rf"|\d{{1,5}}\s{{1,2}}(?:{_CAPITALS}\s{{1,2}}){{1,3}}(?:{_STREETS_IN_CAPITALS})\b"
        r"|P\.?\s?O\.?\s?[Bb](?:ox|OX)\s\d{1,6}"
    ),
    towns=(
        rf"(?:(?:{_NAME}|{_CAPITALS})[\s-]{{1,2}}){{0,2}}(?:{_NAME}|{_CAPITALS}),?\s{{1,2}}"
        r"(?:A[KLRZ]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|PA|RI"
        r"|S[CD]|T[NX]|UT|V[AT]|W[AIVY])\s{1,2}\d{5}(?:-\d{4})?"
        rf"|(?:(?:(?:{_NAME}|{_CAPITALS})[\s-]{{1,2}}){{0,2}}(?:{_NAME}|{_CAPITALS}),?\s{{1,2}})?"
        r"(?:[A-PR-UWYZ][A-HK-Y]?\d[0-9A-HJKPSTUW]?)\s\d[ABD-HJLNP-UW-Z]{2}"
    ),
    place_leads=(
        r"(?:lives|living|resides|residing|resident|born|home|moved|travel(?:led|ed)|works|working)"
        r"(?: (?:alone|together|again))? (?:in|at|of|from|to)|town|city|place of birth|hometown"
        r"|county of|city of|town of"
    ),
    institutions=(
        rf"(?:(?:{_NAME}|St\.?|Royal|of|the|and|&|{_NAME}['’]s)[\s-]{{1,2}}){{0,4}}"
        rf"(?:{_NAME}|St\.?\s{_NAME})(?:['’]s|s['’])?\s{{1,2}}(?:(?:General|Memorial|Community"
        r"|University|Regional|County|Children['’]s|District|City|Veterans|Teaching|Specialty"
        rf"|Surgical|Eye|Heart|Women['’]s)\s{{1,2}}){{0,2}}(?:{_HOUSE})\b"
        rf"(?:\s{{1,2}}(?:of|at)\s{{1,2}}(?:the\s{{1,2}})?{_NAME}(?:[\s-]{_NAME})?)?"
        rf"|(?:University|General|Community|Children['’]s|District)\s(?:{_HOUSE}|College Hospital)"
        rf"\s(?:of|at)\s(?:the\s)?{_NAME}(?:[\s-]{_NAME})?"
        rf"|(?:(?:{_CAPITALS}|ST\.?|OF|THE|AND|&)[\s-]{{1,2}}){{1,5}}(?:{_HOUSES_IN_CAPITALS})\b"
        rf"(?:\s{{1,2}}(?:OF|AT)\s{{1,2}}{_CAPITALS})?"
        rf"|(?:{_NAME}\s){{1,2}}Radiology\b|Mayo Clinic"
    ),
    wards=r"ward|room|rm|bed|bay|suite|cubicle",
    ages=r"(?:[\s-]{0,2})(?:years?|yrs?|y/o|yo|y\.o\.)(?![^\W\d_])|(?:[\s-]{0,2})(?:year|yr)[\s-]olds?",
    age_labels=r"aged?|age:|age of",
    year_leads=(
        r"in|since|from|of|until|till|circa|early|late|mid|year|during|spring|summer|autumn|fall"
        r"|winter|before|after|around|dated|to"
    ),
    words=("english_words.txt", "clinical_words.txt"),
)
